//! The laws of attribution, over small worlds in which events collide often.

use std::time::Duration;

use attribution::{
    Conversion, ConversionEvent, Credit, Journey, Rules, Touch, TouchKind, Views, WHOLE, Windows,
};
use domain::{ClickId, ConversionStatus, Currency, EventId, Micros, Timestamp, VisitorId};
use proptest::prelude::*;

fn click(n: u8) -> ClickId {
    ClickId::from_bytes([n; 24])
}

fn touches() -> impl Strategy<Value = Vec<Touch>> {
    let touch = (0_u8..40, 0_i64..100).prop_map(|(n, at)| Touch {
        at: Timestamp::from_micros(at),
        id: EventId::from_bytes([n; 16]),
        kind: if n % 4 == 0 {
            TouchKind::View
        } else {
            TouchKind::Click
        },
        click: Some(click(n)),
        publisher: format!("p{}", n % 3),
        link: "l".into(),
        campaign: "c".into(),
    });
    prop::collection::vec(touch, 0..8)
}

fn events() -> impl Strategy<Value = Vec<ConversionEvent>> {
    let status = prop::sample::select(vec![
        ConversionStatus::Pending,
        ConversionStatus::Approved,
        ConversionStatus::Rejected,
    ]);
    let event = (
        (
            100_u8..140,
            0_i64..100,
            prop::option::of(0_u8..3),
            prop::option::of(0_u8..2),
        ),
        (
            prop::option::of(0_u8..3),
            status,
            prop::option::of(-5_i64..50),
            0_u8..20,
        ),
    )
        .prop_map(
            |((n, at, clicked, visitor), (txid, status, amount, mangled))| ConversionEvent {
                at: Timestamp::from_micros(at),
                id: EventId::from_bytes([n; 16]),
                click: clicked.map(click),
                visitor: visitor.map(|v| VisitorId::from_bytes([v; 24])),
                campaign: "c".into(),
                goal: "sale".into(),
                txid: txid.map(|t| format!("t{t}")),
                status,
                amount: amount.map(Micros::new),
                currency: Some(Currency::USD),
                source: "postback".into(),
                lead: None,
                payee: None,
                payout: Micros::ZERO,
                named: mangled == 1,
                invalid_macro: mangled == 0,
                unverified: mangled == 2,
                once: mangled % 2 == 1,
                parent: None,
            },
        );
    prop::collection::vec(event, 0..10)
}

fn windows() -> Windows {
    Windows {
        click_through: Duration::from_micros(40),
        view_through: Duration::from_micros(60),
        minimum_age: Duration::from_micros(3),
        views: Views::Include,
    }
}

fn all_credits(journey: &Journey) -> Vec<(Conversion, Vec<Credit<'_>>, Option<String>)> {
    let of = |conversion: &Conversion| {
        let credits = journey.credits(conversion, &windows());
        (
            conversion.clone(),
            credits,
            Rules::default()
                .payable(journey, conversion)
                .map(|payable| payable.payee),
        )
    };
    journey.conversions().iter().map(of).collect()
}

proptest! {
    #[test]
    fn credits_sum_to_the_whole_and_to_the_value(touches in touches(), events in events()) {
        let journey = Journey::new(touches, events);
        for (conversion, credits, _) in all_credits(&journey) {
            for credit in credits {
                let share: u64 = credit.parts.iter().map(|part| part.share).sum();
                let value: i64 = credit.parts.iter().map(|part| part.value.get()).sum();
                if credit.parts.is_empty() {
                    let none = journey.touches_of(&conversion, &windows()).is_empty();
                    prop_assert!(none || conversion.invalid_macro || !conversion.counts());
                } else {
                    prop_assert_eq!(share, WHOLE.unsigned_abs());
                    prop_assert_eq!(value, conversion.amount.get());
                }
            }
        }
    }

    #[test]
    fn order_and_duplication_change_nothing(
        (touches, touches_again) in touches().prop_flat_map(|t| {
            let twice: Vec<_> = t.iter().chain(&t).cloned().collect();
            (Just(t), Just(twice).prop_shuffle())
        }),
        (events, events_again) in events().prop_flat_map(|e| {
            let twice: Vec<_> = e.iter().chain(&e).cloned().collect();
            (Just(e), Just(twice).prop_shuffle())
        }),
    ) {
        let once = Journey::new(touches, events);
        let again = Journey::new(touches_again, events_again);
        prop_assert_eq!(all_credits(&again), all_credits(&once));
    }

    #[test]
    fn every_event_belongs_to_one_conversion_and_no_id_twice(events in events()) {
        let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event.id).collect();
        let journey = Journey::new([], events);
        let conversions = journey.conversions();
        let distinct: std::collections::BTreeSet<_> = conversions.iter().map(|c| c.id).collect();
        prop_assert_eq!(distinct.len(), conversions.len());
        prop_assert!(conversions.len() <= ids.len());
        prop_assert_eq!(conversions.is_empty(), ids.is_empty());
    }
}
