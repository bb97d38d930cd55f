//! Units of caps, and money.

use std::collections::BTreeSet;

use auction::{LadderEffect, Promise};
use domain::{LegState, ReservationId};

use crate::caps::Standing;
use crate::life::{Happened, Life};
use crate::{after_every_world, in_every_world};

/// At every instant; in the end nothing is pinned but what is in doubt, or has no end in the log.
#[test]
fn reserved_is_committed_released_pinned_and_held() {
    in_every_world(|mut world| {
        while world.step() {
            world.caps.audit();
        }
        for ReservationId { lead, leg } in world.caps.all(Standing::Pinned) {
            let life = world.lives.iter().find(|life| life.lead == lead).unwrap();
            let end = life.ended_legs(life.history.len()).remove(&leg);
            let open = end == Some(LegState::InDoubt) || life.outcomes().is_empty();
            assert!(open, "{lead}/{leg} stays pinned");
        }
    });
}

/// Counted at the buyers: no book-keeping of ours is believed.
#[test]
fn committed_never_passes_a_cap() {
    after_every_world(|world| {
        for terms in world.book.terms() {
            let took = world.lives.iter().flat_map(Life::took);
            let took = took.filter(|contract| **contract == terms.contract);
            let took = i64::try_from(took.count()).unwrap();
            for cap in &terms.caps {
                assert!(
                    took <= cap.leads,
                    "{} has {took} of {cap:?}",
                    terms.contract
                );
            }
        }
    });
}

#[test]
fn a_sale_is_committed_once_its_outcome_is_in_the_log() {
    after_every_world(|world| {
        for life in &world.lives {
            let mut committed = BTreeSet::new();
            for (at, (_, what)) in life.history.iter().enumerate() {
                if let Happened::Ladder(LadderEffect::Commit(reservation)) = what {
                    let end = life.ended_legs(at).remove(&reservation.id.leg);
                    assert_eq!(end, Some(LegState::Accepted), "{}", reservation.id);
                    committed.insert(reservation.id.leg);
                }
            }
            let outcomes = life.outcomes();
            let sold = outcomes.iter().filter_map(|ended| ended.sold.as_ref());
            assert_eq!(committed, sold.map(|sold| sold.leg).collect());
        }
    });
}

/// To the micro; the publisher is paid what the promise says and never less than it asked for.
#[test]
fn revenue_is_payout_plus_margin() {
    after_every_world(|world| {
        for life in &world.lives {
            for ended in life.outcomes() {
                let (Some(sold), Some(round)) = (&ended.sold, &life.round) else {
                    continue;
                };
                let contract = life.contract(sold.slot);
                let bid = round.rungs.iter().find(|rung| rung.contract == *contract);
                assert_eq!(sold.price, bid.unwrap().price);
                let promise = match life.quoted() {
                    Some(_) => world.rules.quote_promise,
                    None => world.rules.direct_promise,
                };
                let due = match promise {
                    Promise::BreakEven => round.rungs[0].payout,
                    Promise::Reprice => bid.unwrap().payout,
                };
                assert_eq!(sold.payout, due);
                assert!(sold.payout >= life.order.min_payout);
                let margin = sold.price.minus(sold.payout).unwrap();
                assert!(margin >= world.rules.min_margin, "margin {margin}");
            }
        }
    });
}
