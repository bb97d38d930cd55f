//! One event of the API or the tag: who may send it, what it has to say, and its record.
//!
//! | type | publisher | advertiser | operator | tag |
//! |---|---|---|---|---|
//! | `click`, `impression` | of its own links | | of all links | |
//! | `visit` | | of its campaign | yes | of a site of the campaign |
//! | `conversion`, `reversal` | | of its campaign | of the campaign it names | |
//! | `identify` | yes | yes | yes | |

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use catalog::{Campaign, Link, LinkStatus, Snapshot};
use domain::{CampaignName, ClickId, Entropy, EventId, PublisherName, Timestamp, VisitorId};
use httpd::Issue;
use proto::{EventBody, EventRecord, Identify, RecordError, TouchRecord, Visit};
use store::Sealer;

use crate::agent::Agent;
use crate::append::Keyed;
use crate::conversion::{Door, Said};
use crate::fields::{Fields, Pairs};
use crate::head::{Desk, Head};
use crate::last::Last;
use crate::members::Members;
use crate::params::{ad_id, sub_id};
use crate::scrub::{SUB_BYTES, TEXT_BYTES, host_and_path, scrub};
use crate::seen::Flags;
use crate::{address, phones};

/// Longest URL and user agent that is read.
const URL_BYTES: usize = 8192;
/// Whether every event has such a member.
fn is_common(name: &str) -> bool {
    matches!(
        name,
        "type" | "id" | "ts" | "sent_at" | "visitor" | "email" | "phone" | "campaign"
    )
}

/// Who sends events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender<'s> {
    Publisher(&'s PublisherName),
    Advertiser(&'s CampaignName),
    Operator,
    /// A page of this site, by the tag.
    Tag(&'s str),
}

impl Sender<'_> {
    /// What keeps its ids and visitors apart from those of others. All pages share a name: a visitor
    /// goes from one site of a campaign to another.
    pub(crate) fn source(self) -> String {
        match self {
            Self::Publisher(name) => format!("publisher/{name}"),
            Self::Advertiser(name) => format!("advertiser/{name}"),
            Self::Operator => "operator".to_owned(),
            Self::Tag(_) => "tag".to_owned(),
        }
    }

    const fn door(self) -> &'static str {
        match self {
            Self::Publisher(_) | Self::Advertiser(_) | Self::Operator => "api",
            Self::Tag(_) => "tag",
        }
    }
}

/// An event that is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// This sender may not send such a one.
    Forbidden(&'static str),
    /// All that is wrong with it.
    Invalid(Vec<Issue>),
}

/// An event to be recorded.
pub(crate) struct Ready {
    pub(crate) id: EventId,
    pub(crate) record: Result<Keyed, RecordError>,
    /// Whether its sender gave it an id.
    pub(crate) named: bool,
    pub(crate) visitor: Option<VisitorId>,
    /// The click it is, for its sender to hand on.
    pub(crate) click: Option<ClickId>,
    /// What it says of a conversion.
    pub(crate) said: Option<Box<Said>>,
}

/// What events are read against.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) sender: Sender<'a>,
    pub(crate) desk: Desk<'a>,
    pub(crate) entropy: &'a dyn Entropy,
    /// Of a tag: the browser that sent it. The API says so in the event.
    pub(crate) browser: Option<Browser>,
}

/// What a browser's request says.
#[derive(Clone, Copy)]
pub(crate) struct Browser {
    pub(crate) ip: IpAddr,
    pub(crate) agent: Agent,
    pub(crate) flags: Flags,
    /// Whom its cookie names.
    pub(crate) visitor: Option<VisitorId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Click,
    Impression,
    Visit,
    Conversion,
    Reversal,
    Identify,
}

impl Kind {
    const ALL: [(&'static str, Self); 6] = [
        ("click", Self::Click),
        ("impression", Self::Impression),
        ("visit", Self::Visit),
        ("conversion", Self::Conversion),
        ("reversal", Self::Reversal),
        ("identify", Self::Identify),
    ];

    fn may_be_sent_by(self, sender: Sender<'_>) -> bool {
        match (sender, self) {
            (Sender::Operator, _) => true,
            (Sender::Publisher(_), Self::Click | Self::Impression | Self::Identify) => true,
            (Sender::Advertiser(_), Self::Click | Self::Impression) => false,
            (Sender::Advertiser(_), _) => true,
            (Sender::Tag(_), Self::Visit) => true,
            (Sender::Publisher(_) | Sender::Tag(_), _) => false,
        }
    }

    /// Whether it has such a member, beside those of every event.
    fn has(self, name: &str) -> bool {
        let of_device = || matches!(name, "ip" | "user_agent" | "referrer");
        match self {
            Self::Click | Self::Impression => {
                let sub = name.strip_prefix("sub/").unwrap_or(name);
                name == "link" || of_device() || sub_id(sub).is_some() || ad_id(name).is_some()
            }
            Self::Visit => {
                let own = matches!(name, "page" | "click_id");
                own || of_device() || ad_id(name).is_some() || is_utm(name)
            }
            Self::Conversion | Self::Reversal => matches!(
                name,
                "click_id"
                    | "goal"
                    | "txid"
                    | "amount"
                    | "currency"
                    | "status"
                    | "parent"
                    | "parent_goal"
            ),
            Self::Identify => name == "click_id",
        }
    }
}

fn is_utm(name: &str) -> bool {
    let name = name.strip_prefix("utm/");
    matches!(
        name,
        Some("source" | "medium" | "campaign" | "term" | "content" | "id")
    )
}

/// What was made of the visitor and the browser that a batch named last: a visitor's events often follow each
/// other.
#[derive(Default)]
pub(crate) struct Memory {
    visitor: Last<VisitorId>,
    agent: Last<Agent>,
}

/// Reads an event; the issues go with it.
pub(crate) fn read(
    members: &mut Members<'_>,
    context: &Context<'_>,
    memory: &mut Memory,
) -> Result<Ready, Refused> {
    let named = members.pairs.iter().find(|(name, _)| name == "type");
    let kind = named.and_then(|(_, word)| Kind::ALL.into_iter().find(|(own, _)| own == word));
    let Some((_, kind)) = kind else {
        let words = Kind::ALL.map(|(word, _)| word).join(", ");
        members.issues.push(Issue {
            pointer: "/type".into(),
            code: if named.is_some() {
                "unknown"
            } else {
                "required"
            }
            .into(),
            message: format!("expected one of {words}").into(),
        });
        return Err(Refused::Invalid(std::mem::take(&mut members.issues)));
    };
    if !kind.may_be_sent_by(context.sender) {
        return Err(Refused::Forbidden("this key does not send such events"));
    }
    members.only(|name| is_common(name) || kind.has(name));
    let Members {
        pairs,
        issues,
        marks,
        ..
    } = members;
    let mut fields = Fields::after(pairs, *marks, std::mem::take(issues));
    let campaign = campaign(&mut fields, context, kind)?;
    let context = &Context {
        desk: Desk {
            country: phones::country(campaign),
            ..context.desk
        },
        ..*context
    };
    match kind {
        Kind::Click | Kind::Impression => touch(fields, pairs, kind, context, memory),
        Kind::Visit => visit(fields, pairs, campaign, context, memory),
        Kind::Identify => identify(fields, campaign, context, memory),
        Kind::Conversion => conversion(fields, campaign, Door::Api, context),
        Kind::Reversal => conversion(fields, campaign, Door::Reversal, context),
    }
}

/// The campaign that the event is about, as far as it says or its sender has one.
fn campaign<'a>(
    fields: &mut Fields<'_>,
    context: &Context<'a>,
    kind: Kind,
) -> Result<Option<&'a Campaign>, Refused> {
    let named = fields.raw("campaign");
    let name = match (context.sender, named) {
        (Sender::Advertiser(own), Some(name)) if name != own.as_str() => {
            return Err(Refused::Forbidden("this key is of another campaign"));
        }
        (Sender::Advertiser(own), _) => Some(own.as_str()),
        (_, named) => named,
    };
    let found = name.and_then(|name| context.snapshot.campaigns.get(name));
    let found = found.map(Arc::as_ref);
    match (name, found, context.sender) {
        (Some(_), None, _) => fields.issue("campaign", "unknown", "there is no such campaign"),
        (_, Some(campaign), Sender::Tag(origin)) if !campaign.origins.contains(origin) => {
            return Err(Refused::Forbidden("this site is none of the campaign's"));
        }
        (None, ..) if matches!(kind, Kind::Conversion | Kind::Reversal) => {
            fields.required("campaign");
        }
        _ => {}
    }
    Ok(found)
}

fn conversion(
    fields: Fields<'_>,
    campaign: Option<&Campaign>,
    door: Door,
    context: &Context<'_>,
) -> Result<Ready, Refused> {
    let Some(campaign) = campaign else {
        return Err(Refused::Invalid(fields.finish().err().unwrap_or_default()));
    };
    let desk = &context.desk;
    let said = Said::read(fields, campaign, door, desk).map_err(Refused::Invalid)?;
    let id = said
        .event_id(desk.sealer)
        .unwrap_or_else(|| said.head.id(desk.received, context.entropy));
    Ok(Ready {
        id,
        record: Keyed::of(&said.record(id, desk, [])),
        named: said.head.is_named(),
        visitor: said.head.visitor,
        click: None,
        said: Some(Box::new(said)),
    })
}

fn identify(
    mut fields: Fields<'_>,
    campaign: Option<&Campaign>,
    context: &Context<'_>,
    memory: &mut Memory,
) -> Result<Ready, Refused> {
    let head = Head::read(&mut fields, &context.desk, &mut memory.visitor);
    whose(&mut fields, &head, context.sender);
    if head.person.is_empty() {
        fields.issue(
            "email",
            "required",
            "an e-mail address or a phone number is missing",
        );
    }
    let body = EventBody::Identify(Identify {
        campaign: name_of(campaign),
        source: context.sender.door().to_owned(),
    });
    ready(fields, head, body, context)
}

fn visit(
    mut fields: Fields<'_>,
    pairs: &Pairs<'_>,
    campaign: Option<&Campaign>,
    context: &Context<'_>,
    memory: &mut Memory,
) -> Result<Ready, Refused> {
    let mut head = Head::read(&mut fields, &context.desk, &mut memory.visitor);
    // The cookie that clicks set is better than the page's own.
    head.visitor = context
        .browser
        .and_then(|browser| browser.visitor)
        .or(head.visitor);
    whose(&mut fields, &head, context.sender);
    let page = fields.raw("page").filter(|page| page.len() <= URL_BYTES);
    if page.is_none() {
        fields.required("page");
    }
    let device = device(&mut fields, context, &mut memory.agent);
    let seal = |text: &str| host_and_path(text, context.desk.sealer);
    let body = EventBody::Visit(Visit {
        campaign: name_of(campaign),
        page: page.map(seal).unwrap_or_default(),
        referrer: fields.raw("referrer").map(seal).unwrap_or_default(),
        utm: owned(gathered(pairs, context, TEXT_BYTES, |name| {
            name.strip_prefix("utm/")
        })),
        ad_ids: owned(gathered(pairs, context, TEXT_BYTES, ad_id)),
        ip_hash: device.ip_hash().to_vec(),
        ip_prefix: device.ip_prefix,
        device: device.agent.device.to_owned(),
        os: device.agent.os.to_owned(),
        flags: device.flags.owned(),
        source: context.sender.door().to_owned(),
    });
    ready(fields, head, body, context)
}

fn touch(
    mut fields: Fields<'_>,
    pairs: &Pairs<'_>,
    kind: Kind,
    context: &Context<'_>,
    memory: &mut Memory,
) -> Result<Ready, Refused> {
    let desk = &context.desk;
    let head = Head::read(&mut fields, desk, &mut memory.visitor);
    let link = link(&mut fields, context)?;
    let device = device(&mut fields, context, &mut memory.agent);
    let referrer = fields.raw("referrer");
    fields.finish().map_err(Refused::Invalid)?;
    let Some(link) = link else {
        return Err(Refused::Invalid(Vec::new()));
    };
    let id = head.id(desk.received, context.entropy);
    // Nobody knows this browser but by this event.
    let visitor = head
        .visitor
        .unwrap_or_else(|| VisitorId::derive(*id.as_bytes(), desk.key));
    let click = (kind == Kind::Click).then(|| ClickId::derive(*id.as_bytes(), &visitor, desk.key));
    let referrer = referrer.map(|url| host_and_path(url, desk.sealer));
    let record = TouchRecord {
        id: id.as_bytes(),
        at_us: desk.received.as_micros(),
        said_us: head.ts.map(Timestamp::as_micros),
        visitor: visitor.as_bytes(),
        click_id: click.as_ref().map_or(&[][..], |click| click.as_bytes()),
        person: &head.person,
        skew_us: head.skew_us,
        named: head.is_named(),
        link: link.name.as_str(),
        publisher: link.publisher.as_str(),
        offer: link.offer.as_str(),
        campaign: link.campaign.as_str(),
        sub: &gathered(pairs, context, SUB_BYTES, |name| {
            sub_id(name.strip_prefix("sub/").unwrap_or(name))
        }),
        ad_ids: &gathered(pairs, context, TEXT_BYTES, ad_id),
        landing: "",
        referrer: referrer.as_deref().unwrap_or_default(),
        ip_prefix: &device.ip_prefix,
        ip_hash: device.ip_hash(),
        device: device.agent.device,
        os: device.agent.os,
        flags: device.flags.names(),
        source: context.sender.door(),
    };
    Ok(Ready {
        id,
        record: Ok(Keyed::touch(&visitor, &record)),
        named: head.is_named(),
        visitor: Some(visitor),
        click,
        said: None,
    })
}

fn link<'a>(fields: &mut Fields<'_>, context: &Context<'a>) -> Result<Option<&'a Link>, Refused> {
    let Some(name) = fields.raw("link") else {
        fields.required("link");
        return Ok(None);
    };
    let Some(link) = context.snapshot.links.get(name) else {
        fields.issue("link", "unknown", "there is no such link");
        return Ok(None);
    };
    match context.sender {
        Sender::Publisher(own) if *own != link.publisher => {
            return Err(Refused::Forbidden("the link is another publisher's"));
        }
        _ if link.status == LinkStatus::Paused => {
            fields.issue("link", "paused", "is paused: it counts nothing");
        }
        _ => {}
    }
    Ok(Some(link))
}

/// Something has to say whose it is.
fn whose(fields: &mut Fields<'_>, head: &Head, sender: Sender<'_>) {
    // What looks like a click of ours in a page's address may be somebody else's.
    let told = !matches!(sender, Sender::Tag(_));
    if told && !head.unmatched.is_empty() {
        fields.issue("click_id", "unknown", "is no click of ours");
    } else if head.visitor.is_none() && head.click.is_none() {
        fields.issue("visitor", "required", "a visitor or a click is missing");
    }
}

fn ready(
    fields: Fields<'_>,
    head: Head,
    body: EventBody,
    context: &Context<'_>,
) -> Result<Ready, Refused> {
    fields.finish().map_err(Refused::Invalid)?;
    let id = head.id(context.desk.received, context.entropy);
    let record = EventRecord {
        body: Some(body),
        ..head.record(id, context.desk.received)
    };
    Ok(Ready {
        id,
        record: Keyed::of(&record),
        named: head.is_named(),
        visitor: head.visitor,
        click: None,
        said: None,
    })
}

/// What is kept of a browser.
struct Device {
    ip_prefix: String,
    ip_hash: Option<[u8; 16]>,
    agent: Agent,
    flags: Flags,
}

impl Device {
    /// Of which nothing is known.
    const UNKNOWN: Self = Self {
        ip_prefix: String::new(),
        ip_hash: None,
        agent: Agent { device: "", os: "" },
        flags: Flags::NONE,
    };

    fn at(ip: IpAddr, sealer: &Sealer) -> Self {
        Self {
            ip_prefix: address::prefix(ip),
            ip_hash: Some(address::hash(ip, sealer)),
            ..Self::UNKNOWN
        }
    }

    fn ip_hash(&self) -> &[u8] {
        self.ip_hash.as_ref().map_or(&[], |hash| hash)
    }
}

fn device(fields: &mut Fields<'_>, context: &Context<'_>, last: &mut Last<Agent>) -> Device {
    let sealer = context.desk.sealer;
    if let Some(browser) = context.browser {
        return Device {
            agent: browser.agent,
            flags: browser.flags,
            ..Device::at(browser.ip, sealer)
        };
    }
    let mut device = Device::UNKNOWN;
    if let Some(text) = fields.raw("ip") {
        match text.parse::<IpAddr>() {
            Ok(ip) => device = Device::at(ip, sealer),
            Err(_) => fields.issue("ip", "not_an_address", "is no IP address"),
        }
    }
    let agent = fields.raw("user_agent");
    if let Some(text) = agent.filter(|text| text.len() <= URL_BYTES) {
        device.agent = last.or(text, Agent::of);
        device.flags = Flags::of_agent(device.agent);
    }
    device
}

/// The values under the names that `wanted` gives another name, each once, scrubbed and cut.
fn gathered<'a, 'n>(
    pairs: &'a Pairs<'_>,
    context: &Context<'_>,
    most: usize,
    wanted: impl Fn(&'a str) -> Option<&'n str>,
) -> Vec<(&'n str, Cow<'a, str>)> {
    let mut gathered: Vec<(&str, Cow<'_, str>)> = Vec::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        let Some(name) = wanted(name) else {
            continue;
        };
        let value = scrub(value, most, context.desk.sealer);
        // `s1` and `sub/s1` are one: the last holds.
        match gathered.iter_mut().find(|(own, _)| *own == name) {
            Some((_, before)) => *before = value,
            None => gathered.push((name, value)),
        }
    }
    gathered
}

fn owned(pairs: Vec<(&str, Cow<'_, str>)>) -> BTreeMap<String, String> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.into_owned()))
        .collect()
}

fn name_of(campaign: Option<&Campaign>) -> String {
    campaign.map_or_else(String::new, |campaign| campaign.name.as_str().to_owned())
}
