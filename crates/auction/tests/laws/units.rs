//! Units of caps, and money.

use std::collections::BTreeSet;

use auction::{CapSize, LadderEffect, PostPrice, Price, Promise, Terms};
use domain::{ContractName, Counts, LegState, Micros, ReservationId, SaleFlag, Usage};

use crate::caps::Standing;
use crate::life::{Happened, Life};
use crate::{after_every_world, in_every_world, naive};

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

/// Counted at the buyers: no book-keeping of ours is believed. Every cap and balance is of one window
/// here, as a world lasts a few seconds.
#[test]
fn committed_never_passes_a_cap() {
    after_every_world(|world| {
        for limit in world.limits() {
            let mine = |life: &Life, contract: &ContractName| {
                let terms = world
                    .book
                    .find(contract)
                    .and_then(|slot| world.book.get(slot));
                let buyer = &terms.unwrap().buyer;
                limit.counts(contract, buyer, &life.order.publisher)
            };
            let (mut leads, mut money) = (0, 0);
            // Test leads are paid by nobody, and no limit counts them.
            for life in world.lives.iter().filter(|life| !life.order.test) {
                let left = |leg| life.left(leg, life.history.len());
                let posts = life.posts().into_iter().filter(|post| left(post.leg));
                let posts = posts.map(|post| (post.contract, post.price));
                // Who was given up in doubt may have it, and is not billed.
                let void = life.abandoned();
                let took = life
                    .took()
                    .filter(|(contract, _)| !void.contains(*contract))
                    .map(|(contract, price)| (contract.clone(), price));
                let used: Vec<_> = match limit.counts {
                    Counts::Sold => took.collect(),
                    Counts::Sent => posts.collect(),
                };
                for (contract, price) in used {
                    leads += i64::from(mine(life, &contract));
                    money += i64::from(mine(life, &contract)) * price.get();
                }
            }
            let used = match limit.size {
                CapSize::Leads(most) => leads <= most,
                CapSize::Money(most) => money <= most.get(),
            };
            assert!(used, "{leads} leads and {money} micros under {limit:?}");
        }
    });
}

/// What a post that was refused has used up is what counts posts, and of an unsent one nothing is.
#[test]
fn a_refused_post_uses_up_what_counts_posts() {
    after_every_world(|world| {
        for life in &world.lives {
            for (at, (_, what)) in life.history.iter().enumerate() {
                let Happened::Ladder(LadderEffect::Release(of, usage)) = what else {
                    continue;
                };
                let expected = match life.left(of.id.leg, at) {
                    true => Usage::Sent,
                    false => Usage::Nothing,
                };
                assert_eq!(*usage, expected, "{}", of.id);
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

/// The bid, unless the contract goes by the answer; then never more than was held.
fn booked(terms: &Terms, bid: Micros, answered: Option<Micros>) -> Micros {
    match (terms.post_price, answered, &terms.price) {
        (PostPrice::Bid, ..) | (_, None, _) => bid,
        (PostPrice::Answer, Some(answered), Price::Bid { max, .. }) => answered.min(*max),
        (PostPrice::Answer, Some(answered), Price::Fixed(_) | Price::Rules(_)) => answered.min(bid),
    }
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
                let bid = bid.unwrap();
                let terms = life.book.get(sold.slot).unwrap();
                let answered = life.replies(life.history.len())[&sold.leg].answered;
                assert_eq!(sold.price, booked(terms, bid.price, answered));
                let odd = answered.is_some_and(|answered| answered != sold.price);
                let flags = [SaleFlag::PriceChanged, SaleFlag::PriceCut];
                assert_eq!(odd, flags.iter().any(|flag| sold.flags.contains(flag)));
                let negative = sold.flags.contains(&SaleFlag::NegativeMargin);
                assert_eq!(negative, sold.price < sold.payout);
                let promise = match life.quoted() {
                    Some(_) => world.rules.quote_promise,
                    None => world.rules.direct_promise,
                };
                let normal = naive::payout(&world.rules, terms, sold.price.get());
                let first = life.first.as_ref().unwrap();
                let due = match promise {
                    Promise::BreakEven => first.payout,
                    Promise::KeepMargin => {
                        assert!(bid.payout >= first.payout);
                        first.payout
                    }
                    Promise::Reprice => Micros::new(normal).max(life.order.min_payout),
                };
                assert_eq!(sold.payout, due);
                assert!(sold.payout >= life.order.min_payout);
                let margin = bid.price.minus(sold.payout).unwrap();
                let kept = margin >= world.rules.min_margin;
                assert!(kept || sold.price != bid.price, "margin {margin}");
            }
        }
    });
}
