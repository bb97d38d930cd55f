//! What credit costs: instructions per event of journeys with five touches a conversion, every model.
//!
//! `cargo bench -p benches --bench attribution` counts them under callgrind.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench that cannot run stops"
)]

mod callgrind;

use std::hint::black_box;

use attribution::{ConversionEvent, Journey, Rules, Touch, TouchKind, Windows, model};
use domain::{ClickId, ConversionStatus, Currency, EventId, Micros, Timestamp, VisitorId};

/// Instructions per event, at most.
const MOST: u64 = 6_000;
const TOUCHES: u8 = 5;
const FEW: u64 = 10;
const MANY: u64 = 510;
const ONLY_EVENTS: &str = "--only-events";

/// A minute after the one before.
fn at(n: u8) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000 + i64::from(n) * 60_000_000)
}

fn touch(n: u8) -> Touch {
    Touch {
        at: at(n),
        id: EventId::from_bytes([n; 16]),
        kind: TouchKind::Click,
        click: Some(ClickId::from_bytes([n; 24])),
        publisher: format!("publisher-{n}"),
        link: format!("link-{n}"),
        campaign: "auto-us".to_owned(),
    }
}

/// A purchase that names the third click.
fn conversion() -> ConversionEvent {
    ConversionEvent {
        at: at(TOUCHES),
        id: EventId::from_bytes([0xf0; 16]),
        click: Some(ClickId::from_bytes([2; 24])),
        visitor: Some(VisitorId::from_bytes([1; 24])),
        campaign: "auto-us".to_owned(),
        goal: "purchase".to_owned(),
        txid: Some("order-100001".to_owned()),
        status: ConversionStatus::Approved,
        amount: Some(Micros::new(49_990_000)),
        currency: Some(Currency::USD),
        source: "postback".to_owned(),
        lead: None,
        payee: None,
        payout: Micros::ZERO,
        named: true,
        invalid_macro: false,
        unverified: false,
        once: false,
        parent: None,
    }
}

/// Each turn is a journey of events in any order: the latest touch comes first. Or nothing but the events, which are
/// another's work.
fn run(turns: u64, only_events: bool) {
    let (rules, windows) = (Rules::default(), Windows::default());
    let touches: Vec<_> = (0..TOUCHES).rev().map(touch).collect();
    let mut parts = 0;
    for _ in 0..turns {
        let events = black_box((touches.clone(), [conversion()]));
        if only_events {
            continue;
        }
        let journey = Journey::new(events.0, events.1);
        for conversion in journey.conversions() {
            let credits = black_box(journey.credits(conversion, &windows));
            parts += credits
                .iter()
                .map(|credit| credit.parts.len())
                .sum::<usize>();
            assert!(black_box(rules.payable(&journey, conversion)).is_some());
        }
    }
    // One touch for the first click, one for the last, all for the linear model.
    let each = usize::from(TOUCHES) + 2;
    assert_eq!(model::ALL.len(), 3);
    assert!(only_events || parts as u64 == each as u64 * turns);
}

fn main() {
    if let Some(turns) = callgrind::told("--turns") {
        return run(turns, callgrind::told(ONLY_EVENTS).is_some());
    }
    let events = u64::from(TOUCHES) + 1;
    let all = callgrind::per_turn(&[], FEW, MANY);
    let made = callgrind::per_turn(&[format!("{ONLY_EVENTS}=1")], FEW, MANY);
    let each = (all - made) / events;
    println!("{each} instructions per event, {} models", model::ALL.len());
    assert!(each <= MOST, "more than {MOST}");
}
