//! Seeded leads under seeded catalogs, whose buyers, stores and log answer as they like: each is recorded
//! as the router does it, and what the machines wanted done then they want done again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use auction::{
    Acceptance, Bar, Consumer, Context, Facts, History, LadderInput, LadderRecord, PingReply,
    PostReply, Promise, Quote, Rung, Shut, Slot, Unsent,
};
use catalog::{Campaign, Snapshot};
use domain::{
    FieldClass, FieldValue, FullLead, LeadId, Micros, Mono, Reservation, ReservationId, Timestamp,
};
use proto::{LeadBody, LeadRecord, Received};
use testkit::SeededEntropy;

use super::machines::{ARRIVAL, Answers, Start, Told, run};
use super::{rerun, unsealed};
use crate::climb::sealed_lead;
use crate::records::{self, OutcomeFacts, Statuses};

const LEADS: u64 = 800;

const BASE: &str = r#"
[schemas.lead]
zip = { type = "zip", ping = "required" }
age = { type = "int", min = 16, max = 120 }
home_owner = { type = "bool", ping = "no" }
date_of_birth = { type = "date", class = "sensitive" }
phone = { type = "phone", class = "contact", post = "required", country = "US" }

[publishers.acme]
keys = ["the-secret-key-of-acme"]

[campaigns.auto]
schema = "lead"
currency = "USD"
tmax = "3s"
ping_timeout = "1s"
publishers = { acme = { margin = "20%" } }
goals = { lead_sold = {} }
"#;

struct Draw(SeededEntropy);

impl Draw {
    fn chance(&self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    fn some<T>(&self, percent: u64, of: impl FnOnce() -> T) -> Option<T> {
        self.chance(percent).then(of)
    }

    fn pick(&self, from: &[&'static str]) -> &'static str {
        let picked: &&str = self.0.pick(from);
        picked
    }

    fn micros(&self, below: u64) -> Micros {
        Micros::new(self.0.below(below) as i64)
    }

    fn dollars(&self) -> Micros {
        Micros::new((1 + self.0.below(20) as i64) * 1_000_001)
    }

    fn span(&self, millis: u64) -> Duration {
        Duration::from_micros(1 + self.0.below(millis * 1_000))
    }

    fn snapshot(&self) -> Snapshot {
        let promises = ["break_even", "keep_margin", "reprice"];
        let mut text = BASE.to_owned();
        let mut say = |line: String| writeln!(text, "{line}").unwrap();
        for promise in ["quote_promise", "direct_promise"] {
            say(format!("{promise} = '{}'", self.pick(&promises)));
        }
        let policies = ["highest", "priority", "round_robin"];
        say(format!("policy = '{}'", self.pick(&policies)));
        say(format!("max_posts = {}", 1 + self.0.below(5)));
        say(format!("min_ladder = {}", 1 + self.0.below(3)));
        if self.chance(30) {
            say("after_tmax = 'continue'\nladder_deadline = '10s'".to_owned());
        }
        for name in ["a", "b", "c", "d", "e", "f"] {
            say(format!(
                "[buyers.{name}]\nkeys = ['the-secret-key-of-{name}']"
            ));
            say(format!(
                "[contracts.{name}]\nbuyer = '{name}'\ncampaign = 'auto'"
            ));
            say("post_url = 'http://127.0.0.1:9/post'".to_owned());
            let ping = self.pick(&["none", "check", "bid", "bid"]);
            say(format!("ping = '{ping}'\npriority = {}", self.0.below(3)));
            if ping != "none" {
                say("ping_url = 'http://127.0.0.1:9/ping'".to_owned());
            }
            let fixed = 5 + self.0.below(20);
            say(match ping {
                "bid" => "price = { min = '1.00', max = '20.00' }".to_owned(),
                _ => format!("price = {{ fixed = '{fixed}.00' }}"),
            });
            let post_price = self.pick(&["bid", "answer"]);
            say(format!("post_price = '{post_price}'"));
            say(format!("resell_in_doubt = {}", self.chance(50)));
            let silence = self.pick(&["accept", "reject"]);
            say(format!("on_unsettled = '{silence}'\nsettle_within = '60s'"));
            say(
                "caps = [{ window = 'hour', leads = 9 }, { window = 'day', money = '90.00' }]"
                    .to_owned(),
            );
            match self.0.below(4) {
                0 => say("filter = 'age >= 30'".to_owned()),
                1 => say("filter = 'home_owner = true'".to_owned()),
                2 => say("min_post_time = '2s'".to_owned()),
                _ => {}
            }
        }
        let read = catalog::load_catalog("catalog", &text, &BTreeMap::new(), &[]);
        read.unwrap_or_else(|problems| panic!("{text}\n{problems:?}"))
    }

    fn fields(&self) -> FullLead {
        let mut lead = FullLead::default();
        let text = |text: &str| FieldValue::Text(text.to_owned());
        let mut put = |name: &str, class, value| {
            lead.ping
                .insert(name.parse().unwrap(), class, value)
                .unwrap();
        };
        put("zip", FieldClass::Open, text("78701"));
        put("date_of_birth", FieldClass::Sensitive, text("1990-01-02"));
        if self.chance(80) {
            let age = FieldValue::Int(16 + self.0.below(40) as i64);
            put("age", FieldClass::Open, age);
        }
        let phone = "phone".parse().unwrap();
        lead.contact.insert(phone, text("+15125550199"));
        if self.chance(80) {
            let owner = FieldValue::Bool(self.chance(70));
            lead.contact.insert("home_owner".parse().unwrap(), owner);
        }
        lead
    }

    fn context(&self, campaign: &Campaign) -> Context {
        let names = campaign.book.terms().iter().map(|terms| &terms.contract);
        let barred = names.filter(|_| self.chance(4));
        let barred = barred.map(|name| {
            (
                name.clone(),
                *self.0.pick(&[Bar::Suppressed, Bar::Duplicate]),
            )
        });
        let excluded = self.some(10, || "b".parse().unwrap());
        // The hour, the day and the month end soon.
        let wall = Timestamp::parse("2026-11-30T23:59:58Z").unwrap();
        Context {
            exclude: Arc::new(BTreeSet::from_iter(excluded)),
            consumer: Consumer {
                consented: self.chance(50),
                barred: barred.collect(),
            },
            ..Context::new("acme".parse().unwrap(), wall)
        }
    }

    fn start(&self, snapshot: &Snapshot) -> Start {
        let campaign = snapshot.campaigns.get("auto").unwrap();
        let context = self.context(campaign);
        let rules = campaign.rules_for(&context.publisher).unwrap().clone();
        let opens = context.wall.plus(self.span(20));
        let mut start = Start {
            lead: LeadId::from_bytes(u128::from(self.0.next_u64()).to_be_bytes()),
            fields: Arc::new(self.fields()),
            book: Arc::clone(&campaign.book),
            rules,
            facts: Facts::default(),
            min_payout: self.micros(6_000_000),
            quote: self.some(40, || self.quote(campaign, opens)),
            tmax: Duration::from_millis(500 + self.0.below(4_000)),
            opens,
            context,
        };
        let screened = start.screened();
        let counters = screened.counters(&start.book, &start.rules, &start.context);
        let used = counters
            .into_iter()
            .map(|counter| (counter, self.0.below(10) as i64));
        let passed = || screened.passed.iter().map(|passed| passed.slot);
        let history = || {
            let posts = self.0.below(5_000) as u32;
            let rejected = self.0.below(u64::from(posts) + 1) as u32;
            History {
                acceptance: Acceptance { posts, rejected },
                turn: self.0.below(9),
            }
        };
        let shut = || *self.0.pick(&[Shut::Breaker, Shut::Rate]);
        start.facts = Facts {
            used: used.collect(),
            histories: passed().map(|slot| (slot, history())).collect(),
            shut: passed()
                .filter(|_| self.chance(5))
                .map(|slot| (slot, shut()))
                .collect(),
        };
        start
    }

    fn quote(&self, campaign: &Campaign, now: Timestamp) -> (Quote, Vec<Rung>) {
        let terms = campaign.book.terms().iter();
        let rungs = terms.filter(|_| self.chance(70)).map(|terms| Rung {
            contract: terms.contract.clone(),
            price: self.dollars(),
            payout: self.dollars(),
            bid_id: self.some(50, || format!("of-{}", terms.contract)),
            expires: self.some(30, || now.plus(self.span(4_000))),
        });
        let quote = Quote {
            payout: self.dollars(),
            promise: *self
                .0
                .pick(&[Promise::BreakEven, Promise::KeepMargin, Promise::Reprice]),
            min_margin: self.micros(2_000_000),
        };
        (quote, rungs.collect())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Next {
    Posted,
    Expired,
    Refused,
}

/// Everybody that a router asks, and what it records.
struct Live<'a> {
    draw: &'a Draw,
    start: &'a Start,
    records: Vec<LeadRecord>,
    /// What is going to happen to what is held now. Of what comes to nothing no record says how long it
    /// took, so it takes no time.
    next: Next,
}

impl Live<'_> {
    fn write(&mut self, at: Timestamp, n: u32, body: LeadBody) {
        self.records.push(LeadRecord {
            subject: self.start.lead.as_bytes().to_vec(),
            n,
            at_us: at.as_micros(),
            instance: 1,
            body: Some(body),
        });
    }

    fn takes(&self, millis: u64) -> Duration {
        match self.next {
            Next::Posted => self.draw.span(millis),
            Next::Expired | Next::Refused => Duration::ZERO,
        }
    }

    fn received(&mut self, generation: &str) {
        let Start {
            context,
            facts,
            book,
            quote,
            ..
        } = self.start;
        let received = Received {
            campaign: "auto".to_owned(),
            publisher: context.publisher.to_string(),
            generation: generation.to_owned(),
            tmax_ms: self.start.tmax.as_millis() as u32,
            facts: Some(records::facts(facts, book)),
            barred: records::barred(&context.consumer),
            judged: Some(records::judged(context, self.start.min_payout)),
            promised: quote
                .as_ref()
                .map(|(quote, rungs)| records::promised(quote, rungs)),
            ..Received::default()
        };
        self.write(self.start.opens, 0, LeadBody::Received(received));
    }
}

impl Answers for Live<'_> {
    fn ping(&mut self, slot: Slot) -> Option<(Duration, PingReply)> {
        let draw = self.draw;
        let bid_id = draw.some(60, || format!("bid-{}", slot.0));
        let expires_in = draw.some(30, || draw.span(2_000));
        let reply = match draw.0.below(12) {
            0 => return None,
            1 => PingReply::NoBid,
            2 => PingReply::Throttled,
            3 => PingReply::Bad,
            4 => PingReply::Error,
            5 | 6 => PingReply::Accept { bid_id, expires_in },
            _ => PingReply::Bid {
                price: draw.dollars(),
                bid_id,
                expires_in,
            },
        };
        let slow = if draw.chance(20) { 1_500 } else { 100 };
        Some((draw.span(slow), reply))
    }

    fn wake(&mut self, _: Mono, at: Mono) -> Mono {
        at.plus(self.draw.span(3))
    }

    fn hold(&mut self, now: Mono, _: Slot, of: &Reservation) -> Told<LadderInput> {
        let (id, draw) = (of.id, self.draw);
        let counter = draw.0.pick(&of.counters);
        self.next = match draw.0.below(20) {
            0 => return Some((now, LadderInput::HoldFull(id, counter.key.limit()))),
            1 => return Some((now, LadderInput::HoldFailed(id))),
            2 => {
                let shut = *draw.0.pick(&[Shut::Breaker, Shut::Rate]);
                return Some((now, LadderInput::Shut(id, shut)));
            }
            3 => Next::Expired,
            4 => Next::Refused,
            _ => Next::Posted,
        };
        Some((now.plus(self.takes(3)), LadderInput::Held(id)))
    }

    fn pin(&mut self, now: Mono, id: ReservationId) -> Told<LadderInput> {
        let input = match self.next {
            Next::Expired => LadderInput::PinExpired(id),
            Next::Posted | Next::Refused => LadderInput::Pinned(id),
        };
        Some((now.plus(self.takes(5)), input))
    }

    fn record(&mut self, now: Mono, n: u32, record: &LadderRecord) -> Told<LadderInput> {
        let slow = if self.draw.chance(10) { 3_000 } else { 10 };
        let mut at = now.plus(self.draw.span(slow));
        let (start, statuses) = (self.start, Statuses::default());
        let body = match record {
            LadderRecord::Posting { .. } if self.next == Next::Refused => {
                return Some((at, LadderInput::RecordFailed(n)));
            }
            LadderRecord::Posting { .. } => {
                records::posting(record, &start.book, start.rules.currency, &statuses)
            }
            LadderRecord::Outcome { ended, replies } => {
                // What comes to the round after this is in no record.
                at = now;
                let facts = OutcomeFacts {
                    sealed_answer: vec![7; 9],
                    took: now.since(ARRIVAL),
                };
                Some(records::outcome(ended, replies, facts, &statuses))
            }
        };
        self.write(start.wall(now), n, body.unwrap());
        Some((at, LadderInput::Recorded(n)))
    }

    fn post(&mut self, now: Mono, leg: u16, until: Mono) -> Told<LadderInput> {
        let draw = self.draw;
        let reply = match draw.0.below(12) {
            0 => return Some((until, LadderInput::Tick)),
            1 => PostReply::Unclear,
            2 => {
                let asked = || self.start.wall(now).plus(draw.span(90_000));
                PostReply::Pending {
                    settle_by: draw.some(50, asked),
                }
            }
            3 => PostReply::Duplicate,
            4 => PostReply::Throttled,
            5 => PostReply::NotSent(*draw.0.pick(&[Unsent::TimedOut, Unsent::Failed])),
            6 | 7 => PostReply::Rejected,
            _ => PostReply::Accepted {
                reference: draw.some(50, || format!("ref-{leg}")),
                price: draw.some(50, || match draw.chance(10) {
                    true => Micros::ZERO,
                    false => draw.dollars(),
                }),
                redirect_url: None,
            },
        };
        let slow = if draw.chance(20) { 4_000 } else { 200 };
        let at = now.plus(draw.span(slow)).min(until);
        Some((at, LadderInput::Reply { leg, reply }))
    }
}

#[test]
fn what_is_run_again_from_its_records_does_the_same() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..LEADS {
        let draw = Draw(SeededEntropy::new(seed));
        let snapshot = draw.snapshot();
        let start = draw.start(&snapshot);
        let mut live = Live {
            draw: &draw,
            start: &start,
            records: Vec::new(),
            next: Next::Posted,
        };
        live.received(&snapshot.generation);
        let effects = run(&start, &mut live);
        let clear = sealed_lead(&start.fields, None);
        let again = rerun(&snapshot, &live.records, &clear).unwrap();
        let recorded = live.records.iter().skip(1);
        let recorded: Vec<_> = recorded
            .map(|record| record.body.as_ref().unwrap())
            .collect();
        assert_eq!(again.effects.round, effects.round, "seed {seed}");
        for (again, effect) in again.effects.ladder.iter().zip(&effects.ladder) {
            assert_eq!(again, effect, "seed {seed}");
        }
        assert_eq!(again.effects, effects, "seed {seed}");
        let bodies: Vec<_> = again.bodies.iter().collect();
        let unrefused = bodies.iter().filter(|body| recorded.contains(body));
        assert!(unrefused.eq(&recorded), "seed {seed}");
        for record in &live.records {
            if let Some(LeadBody::Outcome(outcome)) = &record.body {
                let rows = outcome.waterfall.iter().flat_map(|all| &all.contracts);
                let reasons = rows.flat_map(|row| [&row.ping_reason, &row.post_reason]);
                let replies = outcome.replies.iter().map(|reply| &reply.reason);
                for reason in reasons.chain(replies) {
                    *seen.entry(reason.clone()).or_default() += 1;
                }
            }
        }
    }
    let all = "won lost_to_higher not_needed below_floor no_bid ping_timeout ping_error bad_response \
        throttled breaker_open bid_expired no_time post_limit buyer_rejected buyer_says_duplicate \
        post_timeout post_error in_doubt abandoned cancelled filtered(home_owner) cap(hour)";
    for reason in all.split(' ') {
        let times = seen.get(reason).copied().unwrap_or(0);
        assert!(times > 2, "{reason} hardly seen: {seen:#?}");
    }
}

#[test]
fn what_was_sealed_is_the_lead() {
    let draw = Draw(SeededEntropy::new(1));
    let snapshot = draw.snapshot();
    let schema = &snapshot.campaigns.get("auto").unwrap().form.schema;
    for _ in 0..50 {
        let fields = draw.fields();
        let clear = sealed_lead(&fields, None);
        assert_eq!(unsealed(schema, &clear), Some(fields));
    }
    assert_eq!(unsealed(schema, b"[]"), None);
}
