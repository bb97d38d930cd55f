//! Rules of a single step that the laws and transcripts do not single out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::{CapScope, CapWindow, Currency, FullLead, LeadId, Limit, Payout, ReservationId};

use super::*;
use crate::{Cap, Price, Rules, Waterfall};

const LEAD: LeadId = LeadId::from_bytes([7; 16]);

fn ms(millis: u64) -> Mono {
    Mono::from_micros(millis * 1000)
}

fn id(leg: u16) -> ReservationId {
    ReservationId { lead: LEAD, leg }
}

fn day() -> Limit {
    Limit {
        scope: CapScope::Contract,
        meter: Cap::leads(CapWindow::Day, 5).meter(),
    }
}

fn terms(name: &str) -> Terms {
    Terms {
        price: Price::Fixed(Micros::new(10_000_000)),
        caps: vec![Cap::leads(CapWindow::Day, 5)],
        ..Terms::new(name.parse().unwrap(), "b".parse().unwrap())
    }
}

/// A direct post with two rungs and ten seconds.
fn ladder() -> PostLadder {
    let rung = |name: &str| Rung {
        contract: name.parse().unwrap(),
        price: Micros::new(10_000_000),
        payout: Micros::new(8_000_000),
        bid_id: None,
        expires: None,
    };
    PostLadder::open(Climb {
        lead: LEAD,
        fields: Arc::new(FullLead::default()),
        book: Arc::new(Book::new(vec![terms("a"), terms("b")])),
        rules: Rules {
            answer_reserve: Duration::ZERO,
            ..Rules::new(Currency::USD, Payout::Fixed(Micros::new(8_000_000)))
        },
        context: Context::new(
            "p".parse().unwrap(),
            Timestamp::from_micros(1_790_000_000_000_000),
        ),
        rungs: vec![rung("a"), rung("b")],
        quote: None,
        min_payout: Micros::ZERO,
        waterfall: Waterfall::default(),
        more: false,
        now: ms(0),
        deadline: ms(10_000),
        last_post: ms(10_000),
    })
}

fn effects(ladder: &mut PostLadder) -> Vec<LadderEffect> {
    std::iter::from_fn(|| ladder.poll()).collect()
}

fn reply(leg: u16, reply: PostReply) -> LadderInput {
    LadderInput::Reply { leg, reply }
}

/// The steps of a lead that is rejected once and then sold.
fn steps() -> Vec<LadderInput> {
    let accepted = PostReply::Accepted {
        reference: None,
        price: None,
        redirect_url: None,
    };
    vec![
        LadderInput::Held(id(1)),
        LadderInput::Pinned(id(1)),
        LadderInput::Recorded(1),
        reply(1, PostReply::Rejected),
        LadderInput::Held(id(2)),
        LadderInput::Pinned(id(2)),
        LadderInput::Recorded(2),
        reply(2, accepted),
        LadderInput::Recorded(3),
    ]
}

#[test]
fn what_does_not_belong_to_a_step_changes_nothing() {
    let mut ladder = ladder();
    let strays = steps().into_iter().chain([
        LadderInput::HoldFull(id(3), day()),
        LadderInput::HoldFailed(id(3)),
        LadderInput::PinExpired(id(3)),
        LadderInput::PinFailed(id(3)),
        LadderInput::RecordFailed(9),
        LadderInput::Tick,
    ]);
    let strays: Vec<_> = strays.collect();
    for (now, step) in (1..).zip(steps()) {
        effects(&mut ladder);
        for stray in strays.iter().filter(|stray| **stray != step) {
            ladder.on(ms(now), stray.clone());
            assert_eq!(effects(&mut ladder), [], "{stray:?} before {step:?}");
        }
        ladder.on(ms(now), step.clone());
        // It was taken: said again, it is a stray.
        assert_ne!(effects(&mut ladder), [], "{step:?}");
        ladder.on(ms(now), step.clone());
        assert_eq!(effects(&mut ladder), [], "{step:?} twice");
    }
}

#[test]
fn a_claim_that_is_ours_to_post_cannot_be_lost() {
    let mut ladder = ladder();
    for (now, step) in (1..).zip(steps().into_iter().take(5)) {
        ladder.on(ms(now), step);
    }
    effects(&mut ladder);
    ladder.on(ms(6), LadderInput::ClaimLost);
    assert_eq!(effects(&mut ladder), []);
}

#[test]
fn a_post_is_given_up_at_its_time_and_not_before() {
    let mut ladder = ladder();
    for (now, step) in (1..).zip(steps().into_iter().take(3)) {
        ladder.on(ms(now), step);
    }
    let until = ms(30_002);
    let wakes = effects(&mut ladder).contains(&LadderEffect::WakeAt(until));
    assert!(wakes, "its time runs from the record");
    ladder.on(until.minus(Duration::from_micros(1)), LadderInput::Tick);
    assert_eq!(effects(&mut ladder), []);
    ladder.on(until, LadderInput::Tick);
    let effects = effects(&mut ladder);
    assert!(
        matches!(
            effects.as_slice(),
            [LadderEffect::Record {
                n: 2,
                record: LadderRecord::Outcome { ended, replies },
            }] if ended.told_pending && ended.status == LeadStatus::Pending && replies.len() == 1
        ),
        "{effects:?}"
    );
}

#[test]
fn legs_that_were_never_held_use_up_their_numbers() {
    let mut ladder = ladder();
    ladder.on(ms(1), LadderInput::HoldFull(id(1), day()));
    let holds = effects(&mut ladder)
        .into_iter()
        .filter_map(|effect| match effect {
            LadderEffect::Hold { reservation, .. } => Some(reservation.id),
            _ => None,
        });
    let holds: BTreeSet<_> = holds.collect();
    assert_eq!(holds, BTreeSet::from([id(1), id(2)]));
}

#[test]
fn the_claim_goes_with_the_first_pin_that_stands() {
    let mut ladder = ladder();
    let first = |ladder: &mut PostLadder| {
        effects(ladder).into_iter().find_map(|effect| match effect {
            LadderEffect::Pin { first, .. } => Some(first),
            _ => None,
        })
    };
    ladder.on(ms(1), LadderInput::Held(id(1)));
    assert_eq!(first(&mut ladder), Some(true));
    ladder.on(ms(2), LadderInput::PinExpired(id(1)));
    ladder.on(ms(3), LadderInput::Held(id(2)));
    assert_eq!(first(&mut ladder), Some(true));
}
