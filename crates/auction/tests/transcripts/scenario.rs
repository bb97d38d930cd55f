//! The small language of scenarios.
//!
//! ```text
//! # What this shows.
//! campaign: payout 20% margin; ping_timeout 2s
//! contract north: bid 5..40; day cap 10, 9 used; takes state = TX
//! contract south: fixed 12; priority 1
//! ping: from acme; tmax 3s; state TX
//! post: after 5s; tmax 10s; owner true
//! north: bids 20 after 120ms, for 4s; accepts after 300ms
//! trouble: record 1 fails
//! ```
//! A `direct:` line instead of `ping:` and `post:` is a post without a quote. Lines of a contract's
//! name say what its buyer does, once at its ping and once at its post; who has none stays silent.
//! Caps and balances are read by [`crate::limits`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use auction::{
    Acceptance, AfterTmax, History, Kind, PingMode, PingReply, Policy, PostPrice, PostReply, Price,
    PriceRules, Promise, RankBy, Rules, Schedule, ScheduleRow, Shut, SourceList, Sources, States,
    Subs, Terms, Unsent, Zips,
};
use domain::{
    BuyerName, CalendarDate, ContractName, Currency, FieldClass, FieldName, FieldValue, FullLead,
    Micros, Payout, Ppm, PublisherName, Settlement, Timestamp, Weekday,
};
use filter::FieldType;

use crate::limits::{self, Used};

/// What is posted, and how long the publisher waits.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) publisher: PublisherName,
    pub(crate) test: bool,
    pub(crate) sub: BTreeMap<String, String>,
    pub(crate) exclude: BTreeSet<BuyerName>,
    pub(crate) already_sold: u8,
    pub(crate) floor: Micros,
    pub(crate) tmax: Duration,
    /// When a quote is posted, after it was given; and the `tmax` of that post.
    pub(crate) post: Option<(Duration, Duration)>,
    pub(crate) fields: FullLead,
}

/// What a buyer does, and after how long.
#[derive(Debug, Clone)]
pub(crate) struct Does<T> {
    pub(crate) reply: T,
    pub(crate) after: Duration,
}

/// When a contract is shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum When {
    Ping,
    Post,
}

/// How the log, the store or the claim behave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    Takes(Duration),
    Fails,
    Expires,
    Lost,
}

pub(crate) struct Scenario {
    pub(crate) rules: Rules,
    pub(crate) book: Vec<Terms>,
    /// What is used of each cap: when the facts are read, and when a hold is asked for.
    pub(crate) used: Used,
    pub(crate) order: Order,
    pub(crate) histories: BTreeMap<ContractName, History>,
    pub(crate) shut: BTreeMap<(ContractName, When), Shut>,
    /// Contracts that are no longer in the book, or paused, when the quote is posted.
    pub(crate) gone: Vec<ContractName>,
    pub(crate) paused: Vec<ContractName>,
    /// What the campaign says by then.
    pub(crate) later: Option<Rules>,
    pub(crate) pings: BTreeMap<ContractName, Does<PingReply>>,
    pub(crate) posts: BTreeMap<ContractName, Does<PostReply>>,
    /// By what it strikes: `hold 1`, `pin 2`, `record 1`, `claim`.
    pub(crate) trouble: BTreeMap<String, Trouble>,
}

impl Scenario {
    pub(crate) fn read(text: &str) -> Self {
        let mut scenario = Self {
            rules: Rules::new(Currency::USD, Payout::Margin(Ppm::new(200_000).unwrap())),
            book: Vec::new(),
            used: Used::default(),
            order: Order {
                kind: Kind::Direct,
                publisher: "acme".parse().unwrap(),
                test: false,
                sub: BTreeMap::new(),
                exclude: BTreeSet::new(),
                already_sold: 0,
                floor: Micros::ZERO,
                tmax: Duration::from_secs(10),
                post: None,
                fields: FullLead::default(),
            },
            histories: BTreeMap::new(),
            shut: BTreeMap::new(),
            gone: Vec::new(),
            paused: Vec::new(),
            later: None,
            pings: BTreeMap::new(),
            posts: BTreeMap::new(),
            trouble: BTreeMap::new(),
        };
        for line in text.lines() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let read = scenario.line(line);
                read.unwrap_or_else(|| panic!("this line does not read: {line}"));
            }
        }
        scenario
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (head, clauses) = line.split_once(':')?;
        let clauses = clauses
            .split(';')
            .map(str::trim)
            .filter(|one| !one.is_empty());
        if let Some(name) = head.strip_prefix("contract ") {
            self.book.push(terms(name));
        }
        for clause in clauses {
            let words: Vec<&str> = clause.split_whitespace().collect();
            match head {
                "campaign" => campaign(&mut self.rules, &mut self.used, &words),
                "ping" | "direct" | "post" => self.order(head, &words),
                "before the post" => self.change(&words),
                "trouble" => self.trouble(&words),
                _ => match head.strip_prefix("contract ") {
                    Some(_) => self.contract(clause, &words),
                    None => self.buyer(head.parse().ok()?, clause),
                },
            }?;
        }
        Some(())
    }

    fn contract(&mut self, clause: &str, words: &[&str]) -> Option<()> {
        let terms = self.book.last_mut()?;
        match *words {
            ["bid", range] => {
                let (min, max) = range.split_once("..")?;
                terms.ping = PingMode::Bid;
                terms.price = Price::Bid {
                    min: min.parse().ok()?,
                    max: max.parse().ok()?,
                };
            }
            ["fixed", price] => terms.price = Price::Fixed(price.parse().ok()?),
            ["checked"] => terms.ping = PingMode::Check,
            ["tier", tier] => terms.tier = tier.parse().ok()?,
            ["priority", priority] => terms.priority = priority.parse().ok()?,
            ["margin", share] => terms.margin = Some(percent(share)?),
            ["rejected", rejected, "of", posts] => {
                let history = self.histories.entry(terms.contract.clone()).or_default();
                history.acceptance = Acceptance {
                    posts: posts.parse::<u32>().ok()? * 1024,
                    rejected: rejected.parse::<u32>().ok()? * 1024,
                };
            }
            ["came", "first", "at", "turn", turn] => {
                let history = self.histories.entry(terms.contract.clone()).or_default();
                history.turn = turn.parse().ok()?;
            }
            ["breaker", "open", ref when @ ..] => self.shut(Shut::Breaker, when)?,
            ["over", "its", "rate", ref when @ ..] => self.shut(Shut::Rate, when)?,
            ["off"] => terms.on = false,
            ["test"] => terms.testing = true,
            ["states", ref codes @ ..] => {
                let mut states = States::default();
                let good = codes.iter().all(|code| states.add(code));
                terms.states = good.then_some(states);
            }
            ["zips", ref zips @ ..] => {
                let ranges: Vec<_> = zips.iter().map(|zip| Zips::read(zip)).collect();
                terms.zips = Some(Zips::new(
                    ranges.into_iter().collect::<Result<_, _>>().ok()?,
                ));
            }
            ["open", hours] => {
                let row = ScheduleRow {
                    days: Weekday::ALL.into(),
                    from: minute(hours.split_once("..")?.0)?,
                    to: minute(hours.split_once("..")?.1)?,
                };
                terms.schedule = Schedule::new(vec![row], BTreeSet::new());
            }
            ["closed", "on", date] => {
                let dates = BTreeSet::from([CalendarDate::parse(date)?]);
                terms.schedule = Schedule::new(Vec::new(), dates);
            }
            ["sold", "elsewhere", at_most] => terms.max_already_sold = at_most.parse().ok()?,
            ["pays", ..] => terms.price = rules(clause.strip_prefix("pays")?)?,
            ["only", ref source @ ..] => {
                terms.sources = Sources::new(Some(sources(source)?), SourceList::default());
            }
            ["except", ref source @ ..] => terms.sources = Sources::new(None, sources(source)?),
            ["takes", ..] => {
                let types = fields().map(|(name, field, _)| (name, field));
                let filter = filter::compile(clause.strip_prefix("takes")?, &types.collect());
                terms.filter = filter.ok()?;
            }
            ["min_post_time", time] => terms.min_post_time = span(time)?,
            ["post_timeout", time] => terms.post_timeout = span(time)?,
            ["post_price", "answer"] => terms.post_price = PostPrice::Answer,
            ["resell_in_doubt"] => terms.resell_in_doubt = true,
            ["settle_within", time] => terms.settle_within = span(time)?,
            ["on_unsettled", "accept"] => terms.on_unsettled = Settlement::Accepted,
            _ => limits::contract(&mut self.book, &mut self.used, words)?,
        }
        Some(())
    }

    /// The contract read last is shut as the facts are read, or when its post is about to be held.
    fn shut(&mut self, shut: Shut, when: &[&str]) -> Option<()> {
        let when = match when {
            [] => When::Ping,
            ["at", "the", "post"] => When::Post,
            _ => return None,
        };
        let contract = self.book.last()?.contract.clone();
        self.shut.insert((contract, when), shut);
        Some(())
    }

    fn order(&mut self, head: &str, words: &[&str]) -> Option<()> {
        let order = &mut self.order;
        if head == "ping" {
            order.kind = Kind::Ping;
        }
        match (head, words) {
            ("post", ["after", time]) => order.post = Some((span(time)?, Duration::from_secs(10))),
            ("post", ["tmax", time]) => order.post.as_mut()?.1 = span(time)?,
            (_, ["tmax", time]) => order.tmax = span(time)?,
            (_, ["from", publisher]) => order.publisher = publisher.parse().ok()?,
            (_, ["floor", amount]) => order.floor = amount.parse().ok()?,
            (_, ["test"]) => order.test = true,
            (_, ["sold", "elsewhere", times]) => order.already_sold = times.parse().ok()?,
            (_, ["excludes", buyer]) => drop(order.exclude.insert(buyer.parse().ok()?)),
            (_, [sub, value]) if sub.starts_with('s') && sub.len() == 2 => {
                order.sub.insert((*sub).to_owned(), (*value).to_owned());
            }
            (_, [field, value]) => {
                let name: FieldName = field.parse().ok()?;
                let mut known = fields().filter(|(known, _, _)| *known == name);
                let (name, field, class) = known.next()?;
                let value = match field {
                    FieldType::Int => FieldValue::Int(value.parse().ok()?),
                    FieldType::Bool => FieldValue::Bool(value.parse().ok()?),
                    _ => FieldValue::Text((*value).to_owned()),
                };
                match class {
                    FieldClass::Contact => order.fields.contact.insert(name, value),
                    class => order.fields.ping.insert(name, class, value).ok()?,
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn change(&mut self, words: &[&str]) -> Option<()> {
        match words {
            [name, "leaves", "the", "book"] => self.gone.push(name.parse().ok()?),
            [name, "is", "paused"] => self.paused.push(name.parse().ok()?),
            ["campaign", rest @ ..] => {
                let later = self.later.get_or_insert_with(|| self.rules.clone());
                return campaign(later, &mut self.used, rest);
            }
            _ => return None,
        }
        Some(())
    }

    fn trouble(&mut self, words: &[&str]) -> Option<()> {
        let (at, trouble) = match words {
            ["claim", "is", "lost"] => ("claim".to_owned(), Trouble::Lost),
            [what @ ("hold" | "pin" | "record"), n, rest @ ..] => {
                let trouble = match rest {
                    ["takes", time] => Trouble::Takes(span(time)?),
                    ["fails"] => Trouble::Fails,
                    ["expires"] => Trouble::Expires,
                    _ => return None,
                };
                (format!("{what} {n}"), trouble)
            }
            _ => return None,
        };
        self.trouble.insert(at, trouble);
        Some(())
    }

    fn buyer(&mut self, contract: ContractName, clause: &str) -> Option<()> {
        let (does, after) = clause.split_once(" after ").unwrap_or((clause, "0ms"));
        let (after, stands) = match after.split_once(", for ") {
            Some((after, stands)) => (after, Some(span(stands)?)),
            None => (after, None),
        };
        let after = span(after)?;
        let words: Vec<&str> = does.split_whitespace().collect();
        let ping = match *words {
            ["bids", price] => Some(PingReply::Bid {
                price: price.parse().ok()?,
                bid_id: None,
                expires_in: stands,
            }),
            ["says", "yes"] => Some(PingReply::Accept {
                bid_id: None,
                expires_in: stands,
            }),
            ["says", "no"] | ["does", "not", "bid"] => Some(PingReply::NoBid),
            ["throttles", "the", "ping"] => Some(PingReply::Throttled),
            ["answers", "the", "ping", "with", "garbage"] => Some(PingReply::Bad),
            ["refuses", "the", "connection"] => Some(PingReply::Error),
            _ => None,
        };
        if let Some(reply) = ping {
            self.pings.insert(contract, Does { reply, after });
            return Some(());
        }
        let reply = match *words {
            ["accepts"] => accepted(None),
            ["accepts", "at", price] => accepted(Some(price.parse().ok()?)),
            ["rejects"] => PostReply::Rejected,
            ["has", "it", "already"] => PostReply::Duplicate,
            ["throttles", "the", "post"] => PostReply::Throttled,
            ["breaks", "off"] => PostReply::Unclear,
            ["says", "pending"] => PostReply::Pending { settle_by: None },
            ["says", "pending", "for", time] => PostReply::Pending {
                settle_by: Some(Timestamp::from_micros(1_790_000_000_000_000).plus(span(time)?)),
            },
            ["cannot", "be", "reached"] => PostReply::NotSent(Unsent::Failed),
            ["is", "not", "reached", "in", "time"] => PostReply::NotSent(Unsent::TimedOut),
            _ => return None,
        };
        self.posts.insert(contract, Does { reply, after });
        Some(())
    }
}

fn accepted(price: Option<Micros>) -> PostReply {
    PostReply::Accepted {
        reference: None,
        price,
        redirect_url: None,
    }
}

/// A clause of the campaign.
fn campaign(rules: &mut Rules, used: &mut limits::Used, words: &[&str]) -> Option<()> {
    match *words {
        ["payout", share, "margin"] => {
            rules.payout = Payout::Margin(percent(share)?);
        }
        ["payout", "fixed", amount] => rules.payout = Payout::Fixed(amount.parse().ok()?),
        ["min_margin", amount] => rules.min_margin = amount.parse().ok()?,
        ["ping_timeout", time] => rules.ping_timeout = span(time)?,
        ["answer_reserve", time] => rules.answer_reserve = span(time)?,
        ["min_ladder", bids] => rules.min_ladder = bids.parse().ok()?,
        ["max_posts", posts] => rules.max_posts = posts.parse().ok()?,
        ["promise", promise] => {
            let promise = match promise {
                "break_even" => Promise::BreakEven,
                "keep_margin" => Promise::KeepMargin,
                "reprice" => Promise::Reprice,
                _ => return None,
            };
            (rules.direct_promise, rules.quote_promise) = (promise, promise);
        }
        ["after_tmax", "continue"] => {
            let ladder_deadline = Duration::from_secs(60);
            rules.after_tmax = AfterTmax::Continue { ladder_deadline };
        }
        ["ladder_deadline", time] => {
            let ladder_deadline = span(time)?;
            rules.after_tmax = AfterTmax::Continue { ladder_deadline };
        }
        ["policy", "priority"] => rules.policy = Policy::Priority,
        ["policy", "round_robin"] => rules.policy = Policy::RoundRobin,
        ["rank_by", "payout"] => rules.rank_by = RankBy::Payout,
        ["rank_by", "margin"] => rules.rank_by = RankBy::Margin,
        ["no", "penalty"] => rules.penalty = false,
        _ => limits::campaign(rules, used, words)?,
    }
    Some(())
}

fn percent(text: &str) -> Option<Ppm> {
    let percent: u32 = text.strip_suffix('%')?.parse().ok()?;
    Ppm::new(percent * 10_000)
}

fn terms(name: &str) -> Terms {
    Terms::new(
        name.parse().unwrap(),
        format!("{name}-inc").parse().unwrap(),
    )
}

/// The fields of every scenario: two that a ping carries, and two that only a post does.
fn fields() -> impl Iterator<Item = (FieldName, FieldType, FieldClass)> {
    let fields = [
        ("state", FieldType::Text, FieldClass::Open),
        ("age", FieldType::Int, FieldClass::Open),
        ("owner", FieldType::Bool, FieldClass::Contact),
        ("zip", FieldType::Zip, FieldClass::Contact),
    ];
    fields
        .into_iter()
        .map(|(name, field, class)| (name.parse().unwrap(), field, class))
}

/// `12 when age < 30, 10 when owner = true, else 8`.
fn rules(text: &str) -> Option<Price> {
    let (rules, otherwise) = text.rsplit_once(", else ")?;
    let rules = rules.split(", ").map(|rule| {
        let (price, when) = rule.trim().split_once(" when ")?;
        let types = fields().map(|(name, field, _)| (name, field));
        let when = filter::compile(when, &types.collect()).ok()?;
        Some((when, price.parse().ok()?))
    });
    Some(Price::Rules(Arc::new(PriceRules {
        rules: rules.collect::<Option<_>>()?,
        otherwise: otherwise.parse().ok()?,
    })))
}

/// `08:30`.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    Some(hours.parse::<u16>().ok()? * 60 + minutes.parse::<u16>().ok()?)
}

/// `acme`, or `acme s1 a b`: its traffic with one of these values of a sub id.
fn sources(words: &[&str]) -> Option<SourceList> {
    let (publisher, subs) = words.split_first()?;
    let mut part = Subs::default();
    if let Some((name, values)) = subs.split_first() {
        let values = values.iter().map(|value| (*value).to_owned());
        part.0.insert((*name).to_owned(), values.collect());
    }
    let mut list = SourceList::default();
    list.add(publisher.parse().ok()?, part);
    Some(list)
}

/// `300ms`, `2s`.
fn span(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number = digits.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}
