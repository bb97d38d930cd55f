//! One visitor's story: clicks on links of several publishers, perhaps a lead, perhaps a policy bound.
//!
//! The steps of a story follow one another, so the driver knows the order of a visitor's touches; the
//! stories overlap as they like.

use std::time::Duration;

use http::header;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::Heard;
use crate::book::{Asked, ClickTold, ConversionTold, LeadTold, QuoteTold, RefusedTold, Told, Way};
use crate::live::Live;
use crate::person::{BROWSERS, Person};
use crate::world::{Publisher, Wanted};
use crate::{Answered, Call, Dice, Driver};

/// What the marker of a direct post begins with.
pub const DIRECT_MARKER: &str = "direct-";

/// A visitor's browser and what it remembers.
struct Visitor {
    number: u64,
    dice: Dice,
    browser: &'static str,
    /// `name=value`, as the service set them.
    cookies: Vec<String>,
    /// Ids of answered clicks and the campaigns of their links, in order.
    clicks: Vec<(String, String)>,
}

/// The part of a ping's answer that a publisher acts on.
#[derive(Deserialize)]
struct QuoteAnswer {
    status: String,
    ping_ref: String,
    ping_id: Option<String>,
    payout: Option<String>,
}

/// The part of a post's answer that a publisher acts on.
#[derive(Deserialize)]
struct PostAnswer {
    status: String,
    lead_id: String,
    payout: String,
    reason: Option<ReasonAnswer>,
}

/// Why a lead is not sold.
#[derive(Deserialize)]
struct ReasonAnswer {
    code: String,
}

/// An RFC 9457 problem.
#[derive(Deserialize)]
struct Problem {
    code: String,
    request_id: String,
}

impl Driver {
    /// Lives one visitor's story.
    pub(crate) async fn visit(&self, number: u64, mut dice: Dice) {
        let browser = *dice.pick(&BROWSERS);
        let mut visitor = Visitor {
            number,
            browser,
            cookies: Vec::new(),
            clicks: Vec::new(),
            dice,
        };
        let (fewest, most) = self.mix.clicks;
        let clicks = visitor.dice.between(fewest, most);
        let mut publisher = visitor.dice.pick(&self.world.publishers);
        for n in 0..clicks {
            if n > 0 {
                self.pause(&mut visitor).await;
                publisher = visitor.dice.pick(&self.world.publishers);
            }
            self.click(&mut visitor, publisher).await;
        }
        if !visitor.dice.happens(self.mix.lead_share) {
            return;
        }
        self.pause(&mut visitor).await;
        if self.lead(&mut visitor, publisher).await == Some(Sold)
            && visitor.dice.happens(self.mix.converts)
        {
            self.pause(&mut visitor).await;
            if visitor.dice.happens(0.3) {
                let other = visitor.dice.pick(&self.world.publishers);
                self.click(&mut visitor, other).await;
                self.pause(&mut visitor).await;
            }
            self.convert(&mut visitor).await;
        }
    }

    async fn pause(&self, visitor: &mut Visitor) {
        let (shortest, longest) = self.mix.pause;
        tokio::time::sleep(visitor.dice.span(shortest, longest)).await;
    }

    async fn click(&self, visitor: &mut Visitor, publisher: &Publisher) {
        let link = visitor.dice.pick(&publisher.links).clone();
        let marker = format!("k{}", visitor.dice.token());
        let source = *visitor.dice.pick(&["fb", "google", "tiktok", "native"]);
        let adset = visitor.dice.between(1, 9);
        let path = format!("/c/{}?s1={source}&s2=adset-{adset}&s10={marker}", link.name);
        let mut call = Call::get(path).with(header::USER_AGENT, visitor.browser);
        if !visitor.cookies.is_empty() {
            call = call.with(header::COOKIE, &visitor.cookies.join("; "));
        }
        let Some(heard) = self
            .asking(&self.browsers)
            .ask(Asked::Click, &marker, &marker, call)
            .await
        else {
            Live::up(&self.live.unanswered);
            return;
        };
        let answered = heard.answered;
        if !answered.status.is_redirection() {
            return self.refused(Asked::Click, &marker, &answered);
        }
        visitor.keep_cookies(&answered);
        let click_id = answered
            .header(&header::LOCATION)
            .and_then(click_id_in)
            .map(str::to_owned);
        visitor
            .clicks
            .extend(click_id.clone().map(|id| (id, link.campaign)));
        Live::up(&self.live.clicks);
        self.book.write(Told::Click(ClickTold {
            marker,
            visitor: visitor.number,
            link: link.name,
            publisher: publisher.name.clone(),
            click_id,
            at_us: self.clock.wall().as_micros(),
        }));
    }

    async fn lead(&self, visitor: &mut Visitor, publisher: &Publisher) -> Option<Sold> {
        let direct = visitor.dice.happens(self.mix.direct_share);
        let marker = marker(direct, &visitor.dice.token());
        let wanted = self.wanted(&mut visitor.dice)?;
        let person = Person::draw(wanted.vertical, &mut visitor.dice, visitor.number, &marker);
        let campaign = wanted.campaign.clone();
        let mut control = json!({
            "tmax_ms": millis(self.mix.tmax),
            "sub": { "s1": "form" },
            "publisher_lead_id": format!("pl-{marker}"),
        });
        if let Some((click, _)) = visitor.clicks.last() {
            put(&mut control, "click_id", click.clone().into());
        }
        let going = Going {
            visitor: visitor.number,
            clicks: visitor.clicks.len(),
            publisher,
            campaign,
            marker,
            control,
        };
        let ping_id = if direct {
            None
        } else {
            if visitor.dice.happens(self.mix.mistakes) {
                self.mistake(&going, &person).await;
            }
            let (ping_id, ()) = tokio::join!(self.ping(&going, &person), self.beside(&person));
            let ping_id = ping_id?;
            // A publisher shows the offer before the consumer gives contact data.
            self.pause(visitor).await;
            Some(ping_id)
        };
        let control = async {
            if ping_id.is_none() {
                self.beside(&person).await;
            }
        };
        let (sold, ()) = tokio::join!(self.post(&going, &person, ping_id.as_deref()), control);
        sold
    }

    /// The control call beside an auction.
    async fn beside(&self, person: &Person) {
        if let Some(control) = &self.control {
            control.call(&person.for_ping()).await;
        }
    }

    fn wanted(&self, dice: &mut Dice) -> Option<&Wanted> {
        let (last, others) = self.mix.campaigns.split_last()?;
        let drawn = others.iter().find(|wanted| dice.happens(wanted.share));
        Some(drawn.unwrap_or(last))
    }

    /// A form without its own checks pings what the consumer typed, and hears what is wrong with it.
    async fn mistake(&self, going: &Going<'_>, person: &Person) {
        let mut body = going.control.clone();
        let mut lead = person.for_ping();
        put(&mut lead, "zip", "7870".into());
        put(&mut body, "lead", lead);
        let key = format!("mistake-{}", going.marker);
        if let Some(heard) = self.publish(Asked::Ping, going, &key, "ping", &body).await {
            self.refused(Asked::Ping, &key, &heard.answered);
        }
    }

    /// Asks for a quote; returns it if there is one.
    async fn ping(&self, going: &Going<'_>, person: &Person) -> Option<String> {
        let mut body = going.control.clone();
        put(&mut body, "lead", person.for_ping());
        let key = format!("ping-{}", going.marker);
        let heard = self
            .publish(Asked::Ping, going, &key, "ping", &body)
            .await?;
        let Some(quote) = read::<QuoteAnswer>(&heard.answered) else {
            self.refused(Asked::Ping, &key, &heard.answered);
            return None;
        };
        Live::up(&self.live.pings);
        let told = quote.ping_id.filter(|_| quote.status == "quoted");
        if told.is_some() {
            Live::up(&self.live.quoted);
        }
        self.book.write(Told::Quote(QuoteTold {
            marker: going.marker.clone(),
            publisher: going.publisher.name.clone(),
            campaign: going.campaign.clone(),
            auction: quote.ping_ref,
            status: quote.status,
            payout: quote.payout,
            took_us: micros(heard.answered.took),
            attempts: heard.attempts,
            at_us: self.clock.wall().as_micros(),
            tmax_ms: millis(self.mix.tmax),
        }));
        told
    }

    /// Posts the lead, on a quote or without one.
    async fn post(
        &self,
        going: &Going<'_>,
        person: &Person,
        ping_id: Option<&str>,
    ) -> Option<Sold> {
        let mut body = going.control.clone();
        put(&mut body, "lead", person.for_post());
        if let Some(ping_id) = ping_id {
            put(&mut body, "ping_id", ping_id.into());
        }
        let key = format!("post-{}", going.marker);
        let heard = self
            .publish(Asked::Post, going, &key, "post", &body)
            .await?;
        let Some(answer) = read::<PostAnswer>(&heard.answered) else {
            self.refused(Asked::Post, &key, &heard.answered);
            return None;
        };
        Live::up(&self.live.leads);
        let sold = (answer.status == "sold").then_some(Sold);
        match answer.status.as_str() {
            "sold" => Live::up(&self.live.sold),
            "pending" => Live::up(&self.live.pending),
            _ => {}
        }
        self.book.write(Told::Lead(LeadTold {
            marker: going.marker.clone(),
            publisher: going.publisher.name.clone(),
            campaign: going.campaign.clone(),
            key,
            way: if ping_id.is_some() {
                Way::TwoPhase
            } else {
                Way::Direct
            },
            lead: answer.lead_id,
            status: answer.status,
            reason: answer.reason.map(|reason| reason.code),
            payout: answer.payout,
            visitor: going.visitor,
            clicks_before: going.clicks,
            took_us: micros(heard.answered.took),
            attempts: heard.attempts,
            at_us: self.clock.wall().as_micros(),
            tmax_ms: millis(self.mix.tmax),
        }));
        sold
    }

    /// Looks a lead up; writes its state down if it is final. Returns whether it is.
    pub async fn look_up(&self, lead: &LeadTold) -> bool {
        let Some(publisher) = self
            .world
            .publishers
            .iter()
            .find(|known| known.name == lead.publisher)
        else {
            return false;
        };
        let call = Call::get(format!("/v1/leads/{}", lead.lead)).with_key(&publisher.key);
        let Ok(answered) = self.publishers.call(call).await else {
            return false;
        };
        let Some(answer) = read::<PostAnswer>(&answered) else {
            return false;
        };
        if answer.status == "pending" {
            return false;
        }
        self.book.write(Told::LookedUp(LeadTold {
            status: answer.status,
            reason: answer.reason.map(|reason| reason.code),
            payout: answer.payout,
            at_us: self.clock.wall().as_micros(),
            ..lead.clone()
        }));
        true
    }

    async fn publish(
        &self,
        asked: Asked,
        going: &Going<'_>,
        key: &str,
        endpoint: &str,
        body: &Value,
    ) -> Option<Heard> {
        let path = format!("/v1/campaigns/{}/{endpoint}", going.campaign);
        let call = Call::json(path, body)
            .with_key(&going.publisher.key)
            .with(header::HeaderName::from_static("idempotency-key"), key);
        let heard = self
            .asking(&self.publishers)
            .ask(asked, key, &going.marker, call)
            .await;
        if heard.is_none() {
            Live::up(&self.live.unanswered);
        }
        heard
    }

    async fn convert(&self, visitor: &mut Visitor) {
        let Some((click_id, campaign)) = visitor.clicks.first().cloned() else {
            return;
        };
        let Some(token) = self.world.tokens.get(&campaign) else {
            return;
        };
        let txid = format!("pol-{}", visitor.dice.token());
        let amount = format!(
            "{}.{:02}",
            visitor.dice.between(40, 180),
            visitor.dice.between(0, 99)
        );
        let text = |value: &str| utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
        let path = format!(
            "/postback?click_id={click_id}&goal={}&txid={txid}&amount={amount}&currency=USD&token={}",
            self.world.goal,
            text(token),
        );
        let heard = self
            .asking(&self.browsers)
            .ask(Asked::Postback, &txid, &txid, Call::get(path))
            .await;
        let Some(heard) = heard else {
            Live::up(&self.live.unanswered);
            return;
        };
        if !heard.answered.status.is_success() {
            return self.refused(Asked::Postback, &txid, &heard.answered);
        }
        Live::up(&self.live.conversions);
        self.book.write(Told::Conversion(ConversionTold {
            click_id,
            goal: self.world.goal.clone(),
            txid,
            amount,
            visitor: visitor.number,
            clicks_before: visitor.clicks.len(),
            at_us: self.clock.wall().as_micros(),
        }));
    }

    fn refused(&self, asked: Asked, key: &str, answered: &Answered) {
        Live::up(&self.live.refused);
        let text = || String::from_utf8_lossy(&answered.body);
        let problem = answered.json::<Problem>().unwrap_or_else(|| Problem {
            code: text().chars().take(120).collect(),
            request_id: String::new(),
        });
        let status = answered.status.as_u16();
        self.book.write(Told::Refused(RefusedTold {
            asked,
            key: key.to_owned(),
            status,
            code: problem.code,
            request_id: problem.request_id,
        }));
    }
}

/// The lead was sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sold;

/// A lead on its way.
struct Going<'a> {
    visitor: u64,
    clicks: usize,
    publisher: &'a Publisher,
    campaign: String,
    marker: String,
    control: Value,
}

impl Visitor {
    fn keep_cookies(&mut self, answered: &Answered) {
        for set in answered.headers.get_all(header::SET_COOKIE) {
            let Some(pair) = set.to_str().ok().and_then(|text| text.split(';').next()) else {
                continue;
            };
            let name = pair.split('=').next().unwrap_or(pair).to_owned();
            self.cookies
                .retain(|kept| kept.split('=').next() != Some(name.as_str()));
            self.cookies.push(pair.to_owned());
        }
    }
}

/// The marker field's value; a buyer's journal shows by it how the lead came.
fn marker(direct: bool, token: &str) -> String {
    let way = if direct { DIRECT_MARKER } else { "two-phase-" };
    format!("{way}{token}")
}

/// The click id in a redirect's query.
fn click_id_in(location: &str) -> Option<&str> {
    let query = location.split_once('?')?.1;
    query
        .split(['&', '#'])
        .filter_map(|pair| pair.split_once('='))
        .map(|(_, value)| value)
        .find(|value| value.starts_with("ck_"))
}

fn read<T: serde::de::DeserializeOwned>(answered: &Answered) -> Option<T> {
    if answered.status.is_success() {
        answered.json()
    } else {
        None
    }
}

fn put(body: &mut Value, name: &str, value: Value) {
    if let Some(members) = body.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_id_is_found_wherever_the_destination_puts_it() {
        for (location, id) in [
            ("https://x.example/l?cid=ck_Ab-1_&s1=fb", Some("ck_Ab-1_")),
            ("https://x.example/l?s1=fb&click=ck_z#top", Some("ck_z")),
            ("https://x.example/l?s1=ck", None),
            ("https://x.example/l", None),
        ] {
            assert_eq!(click_id_in(location), id, "{location}");
        }
    }
}
