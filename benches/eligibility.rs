//! What it costs to screen a lead: instructions per lead over a book of 1,000 mixed contracts.
//!
//! `cargo bench -p benches --bench eligibility` counts them under callgrind. It took 485,358 while every
//! contract asked for itself, 198,618 while what many ask was answered once but put together by each, and
//! 104,695 since contracts that ask the same share the steps.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench that cannot run stops"
)]

mod callgrind;

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;

use auction::{
    Book, Context, LeadView, PingMode, Price, PriceRules, Schedule, ScheduleRow, SourceList,
    Sources, States, Subs, Terms, Zips, screen,
};
use domain::{CalendarDate, FieldClass, FieldValue, FullLead, Micros, Timestamp, Weekday, Zone};
use filter::{FieldType, FieldTypes};

/// Instructions per lead, at most.
const MOST: u64 = 200_000;
const CONTRACTS: usize = 1_000;
/// Ten times as many cost at most four times the bar; how many times the figure it is, is told.
const TEN_TIMES: usize = 10_000;
const TIMES: u64 = 4;
const FEW: u64 = 10;
const MANY: u64 = 210;

const ZONES: [&str; 4] = [
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
];
const STATES: [&str; 8] = ["TX", "OK", "CA", "NY", "FL", "GA", "WA", "OR"];

fn types() -> FieldTypes {
    let mut types: FieldTypes = (0..24)
        .map(|n| (format!("detail_{n:02}").parse().unwrap(), FieldType::Text))
        .collect();
    for (name, field) in [
        ("age", FieldType::Int),
        ("home_owner", FieldType::Bool),
        ("incidents", FieldType::Int),
        ("make", FieldType::Text),
        ("state", FieldType::Text),
        ("zip", FieldType::Zip),
    ] {
        types.insert(name.parse().unwrap(), field);
    }
    types
}

fn lead() -> FullLead {
    let mut lead = FullLead::default();
    for name in types().keys() {
        let value = match name.as_str() {
            "age" => FieldValue::Int(34),
            "home_owner" => FieldValue::Bool(true),
            "incidents" => FieldValue::Int(0),
            "make" => FieldValue::Text("ford".to_owned()),
            "state" => FieldValue::Text("TX".to_owned()),
            "zip" => FieldValue::Text("78701".to_owned()),
            other => FieldValue::Text(format!("some {other}")),
        };
        lead.ping
            .insert(name.clone(), FieldClass::Open, value)
            .unwrap();
    }
    lead
}

/// A tenth of everybody is off or for tests; the others choose by some of all there is to choose by.
fn contract(n: usize, types: &FieldTypes) -> Terms {
    let filter = |text: &str| filter::compile(text, types).unwrap();
    let state = |n: usize| STATES[n % STATES.len()];
    let amount = |n: usize| Micros::new(i64::try_from(n % 40 + 1).unwrap() * 1_000_000);
    let text = match n % 5 {
        0 => format!(
            "state in ({}, {}, {}) and age between 25 and 70",
            state(n),
            state(n + 1),
            state(n + 3)
        ),
        1 => format!(
            "age >= {} and incidents <= 1 and home_owner = true",
            18 + n % 30
        ),
        2 => format!(
            "make not in (bmw, audi, tesla) and detail_{:02} present",
            n % 24
        ),
        3 => "zip between 70000 and 79999 or state in (WA, OR)".to_owned(),
        _ => "not (incidents > 2 or age < 21)".to_owned(),
    };
    let mut terms = Terms {
        on: n % 20 != 7,
        testing: n % 20 == 11,
        ping: PingMode::Bid,
        price: Price::Bid {
            min: amount(0),
            max: amount(n),
        },
        filter: filter(&text),
        zone: Zone::parse(ZONES[n % ZONES.len()]).unwrap(),
        ..Terms::new(
            format!("contract-{n:04}").parse().unwrap(),
            format!("buyer-{:03}", n / 4).parse().unwrap(),
        )
    };
    if n.is_multiple_of(3) {
        let row = |from, to| ScheduleRow {
            days: Weekday::ALL.into_iter().take(5).collect(),
            from,
            to,
        };
        let holidays = ["2026-12-25", "2027-01-01"];
        let holidays = holidays.into_iter().filter_map(CalendarDate::parse);
        terms.schedule = Schedule::new(vec![row(480, 1200), row(1260, 60)], holidays.collect());
    }
    if n % 4 == 1 {
        let mut except: SourceList = ["p-3", "p-5"]
            .map(|name| name.parse().unwrap())
            .into_iter()
            .collect();
        let sub = BTreeMap::from([("s1".to_owned(), BTreeSet::from(["bad".to_owned()]))]);
        except.add("acme".parse().unwrap(), Subs(sub));
        terms.sources = Sources::new(None, except);
    }
    if n % 6 == 2 {
        let mut states = States::default();
        for more in 0..5 {
            states.add(state(n + more));
        }
        terms.states = Some(states);
    }
    if n % 6 == 5 {
        let zips = (0..2_000).map(|zip| zip * 50 + u32::try_from(n % 7).unwrap());
        terms.zips = Some(Zips::new(zips.map(|zip| (zip, zip + 30)).collect()));
    }
    if n % 10 == 3 {
        terms.ping = PingMode::Check;
        terms.price = Price::Rules(Arc::new(PriceRules {
            rules: vec![
                (filter("age < 25"), amount(n)),
                (filter("state = TX"), amount(n + 7)),
            ],
            otherwise: amount(n + 3),
        }));
    }
    terms
}

fn run(contracts: usize, leads: u64) {
    let types = types();
    let book = Book::new((0..contracts).map(|n| contract(n, &types)).collect());
    let sub = [("s1", "fb"), ("s2", "adset-9")];
    let sub = sub.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let context = Context {
        sub: Arc::new(sub.into()),
        ..Context::new(
            "acme".parse().unwrap(),
            Timestamp::parse("2026-11-25T16:00:00Z").unwrap(),
        )
    };
    let lead = lead();
    let mut passed = 0;
    for _ in 0..leads {
        let screened = screen(black_box(&book), &context, LeadView::Full(&lead));
        passed = black_box(screened).passed.len();
    }
    assert!(
        (contracts / 4..contracts * 3 / 4).contains(&passed),
        "{passed} passed: not a mixed book"
    );
    println!("{passed} of {contracts} contracts pass");
}

fn per_lead(contracts: usize) -> u64 {
    let per_lead = callgrind::per_turn(&[format!("--contracts={contracts}")], FEW, MANY);
    println!("{per_lead} instructions per lead, {contracts} contracts");
    per_lead
}

fn main() {
    if let Some(leads) = callgrind::told("--turns") {
        let contracts = callgrind::told("--contracts").unwrap();
        return run(contracts as usize, leads);
    }
    let few = per_lead(CONTRACTS);
    let many = per_lead(TEN_TIMES);
    println!(
        "ten times as many contracts: {:.1} times",
        many as f64 / few as f64
    );
    assert!(few <= MOST, "more than {MOST} at {CONTRACTS}");
    let most = TIMES * MOST;
    assert!(many <= most, "more than {most} at {TEN_TIMES}");
}
