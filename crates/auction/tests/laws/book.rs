//! Who was considered, who was asked, who comes first, and why each other did not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};

use auction::{
    Check, Explained, Failed, Kind, LadderEffect, LadderInput, LeadView, PingEffect, PingInput,
    PingMode, PingReply, PingResult, PostReply, Row, Rules, Shut, Slot, Unsent, explain,
};
use domain::{ContractName, ContractReason, LeadStatus, Mono, PingFields, ReservationId};

use crate::after_every_world;
use crate::life::{Happened, Life, Posted};

/// Rows + excluded counts = book size, one reason each, equal to what a naive reading says.
#[test]
fn every_contract_of_the_book_has_one_reason() {
    after_every_world(|world| {
        for life in &world.lives {
            let Some(round) = &life.round else { continue };
            let expected = world.expected(life);
            let waterfall = &round.waterfall;
            let excluded: u32 = waterfall.excluded.values().sum();
            assert_eq!(
                waterfall.rows.len() + excluded as usize,
                world.book.terms().len()
            );
            assert_eq!(waterfall.excluded, expected.excluded);
            let mut names = BTreeSet::new();
            for row in &waterfall.rows {
                let contract = &row.contract;
                assert!(names.insert(contract.clone()), "{contract} has two rows");
                assert_eq!(row.deferred, expected.deferred.contains(contract));
                let reason = row.reason().unwrap();
                match &expected.rows[contract] {
                    Err(why) => assert_eq!(reason, why, "{contract}"),
                    Ok(price) => {
                        assert_eq!(row.price, Some(*price));
                        let on_the_ladder = [ContractReason::Won, ContractReason::LostToHigher];
                        assert!(on_the_ladder.contains(reason), "{contract}: {reason}");
                    }
                }
            }
        }
    });
}

/// The outcome's rows are those of the round, or of the quote; each rung has one, with what it met.
#[test]
fn every_rung_has_the_reason_that_it_met() {
    after_every_world(|world| {
        for life in &world.lives {
            let Some(round) = &life.climbed else { continue };
            for ended in life.outcomes() {
                let waterfall = &ended.waterfall;
                match life.order.kind {
                    Kind::Ping => assert_eq!(waterfall.rows.len(), round.rungs.len()),
                    Kind::Direct => {
                        assert_eq!(waterfall.rows.len(), round.waterfall.rows.len());
                        assert_eq!(waterfall.excluded, round.waterfall.excluded);
                        let (pings, known) = (&waterfall.pings, &round.waterfall.pings);
                        assert_eq!(pings.len(), known.len());
                        for (ping, known) in pings.iter().zip(known) {
                            assert_eq!(
                                (&ping.contract, ping.result),
                                (&known.contract, known.result)
                            );
                        }
                    }
                }
                let rows = |contract: &ContractName| -> Vec<&Row> {
                    let rows = waterfall.rows.iter();
                    rows.filter(|row| row.contract == *contract).collect()
                };
                for rung in &round.rungs {
                    let rows = rows(&rung.contract);
                    assert_eq!(rows.len(), 1, "{} has {rows:?}", rung.contract);
                    let unneeded = rows[0].post_reason == Some(ContractReason::NotNeeded);
                    assert!(!unneeded || ended.status != LeadStatus::Unsold);
                }
                for (contract, met) in met(life) {
                    assert_eq!(rows(&contract)[0].post_reason, Some(met), "{contract}");
                }
            }
        }
    });
}

/// What contracts met that were posted, that were shut, or whose cap was full.
fn met(life: &Life) -> BTreeMap<ContractName, ContractReason> {
    let mut replies = BTreeMap::new();
    let mut met = BTreeMap::new();
    for (at, what) in &life.history {
        match what {
            Happened::Told(LadderInput::Reply { leg, reply }) => {
                replies.entry(*leg).or_insert_with(|| reason(reply));
            }
            Happened::Told(LadderInput::HoldFull(id, limit)) => {
                met.insert(wanted(life, *id), (*limit).into());
            }
            Happened::Told(LadderInput::Shut(id, Shut::Breaker)) => {
                met.insert(wanted(life, *id), ContractReason::BreakerOpen);
            }
            Happened::Told(LadderInput::Shut(id, Shut::Rate)) => {
                met.insert(wanted(life, *id), ContractReason::Throttled);
            }
            Happened::Told(LadderInput::Tick) => {
                let unanswered = life.posts().into_iter().find(|post| post.until == *at);
                if let Some(post) = unanswered {
                    replies.entry(post.leg).or_insert(ContractReason::InDoubt);
                }
            }
            _ => {}
        }
    }
    // Who is in doubt when another contract's record is made is given up for it.
    let ends = life.replies(life.history.len());
    for post in life.posts() {
        let given_up = ends
            .get(&post.leg)
            .is_some_and(|end| end.reason == ContractReason::Abandoned);
        match replies.remove(&post.leg) {
            Some(ContractReason::InDoubt) if given_up => {
                met.insert(post.contract, ContractReason::Abandoned);
            }
            Some(reason) => drop(met.insert(post.contract, reason)),
            None => {}
        }
    }
    met
}

/// The contract that a hold was asked for.
fn wanted(life: &Life, id: ReservationId) -> ContractName {
    let held = life.effects().find_map(|(_, effect)| match effect {
        LadderEffect::Hold {
            slot, reservation, ..
        } if reservation.id == id => Some(*slot),
        _ => None,
    });
    life.contract(held.unwrap()).clone()
}

fn reason(reply: &PostReply) -> ContractReason {
    match reply {
        PostReply::Accepted { .. } => ContractReason::Won,
        PostReply::Rejected => ContractReason::BuyerRejected,
        PostReply::Duplicate => ContractReason::BuyerSaysDuplicate,
        PostReply::Throttled => ContractReason::Throttled,
        PostReply::Unclear | PostReply::Pending { .. } => ContractReason::InDoubt,
        PostReply::NotSent(Unsent::TimedOut) => ContractReason::PostTimeout,
        PostReply::NotSent(Unsent::Failed) => ContractReason::PostError,
    }
}

/// Each ping that was sent ends once; who let the time run out is called off, and so is who was still
/// asked when its lead ended.
#[test]
fn pings_sent_are_bids_no_bids_timeouts_failures_and_cancelled() {
    after_every_world(|world| {
        for life in &world.lives {
            let Some(round) = &life.round else { continue };
            let answers = world.answers(life);
            let contract = |slot: Slot| world.book.get(slot).unwrap().contract.clone();
            let names_its_price = |contract: &ContractName| {
                let terms = world.book.terms().iter();
                let mut bids = terms.filter(|terms| terms.ping == PingMode::Bid);
                bids.all(|terms| terms.contract != *contract)
            };
            let result = |contract: &ContractName| match answers.get(contract) {
                None => PingResult::Timeout,
                Some((PingReply::Bid { .. }, _)) => PingResult::Bid,
                Some((PingReply::Accept { .. }, _)) if names_its_price(contract) => PingResult::Bid,
                Some((PingReply::NoBid, _)) => PingResult::NoBid,
                Some(_) => PingResult::Failed,
            };
            let (mut sent, mut called_off) = (BTreeMap::new(), BTreeSet::new());
            for (_, what) in &life.history {
                match what {
                    Happened::Round(PingEffect::Ping { slot, .. }) => {
                        let contract = contract(*slot);
                        let result = result(&contract);
                        assert!(sent.insert(contract, result).is_none(), "pinged twice");
                    }
                    Happened::Round(PingEffect::Cancel { slot }) => {
                        called_off.insert(contract(*slot));
                    }
                    _ => {}
                }
            }
            let rows = round.waterfall.pings.iter();
            let rows: Vec<_> = rows.map(|ping| (&ping.contract, &ping.result)).collect();
            assert_eq!(rows.len(), sent.len());
            assert_eq!(
                rows.into_iter().collect::<BTreeMap<_, _>>(),
                sent.iter().collect()
            );
            for ended in life.outcomes() {
                for ping in &ended.waterfall.pings {
                    let cancelled = ping.result == PingResult::Cancelled;
                    assert!(cancelled || ping.result == sent[&ping.contract]);
                    let mut rows = ended.waterfall.rows.iter();
                    let row = rows.find(|row| row.contract == ping.contract).unwrap();
                    let reason = row.ping_reason == Some(ContractReason::Cancelled);
                    assert_eq!(reason, cancelled, "{}", ping.contract);
                }
            }
            sent.retain(|_, result| *result == PingResult::Timeout);
            assert_eq!(called_off, sent.into_keys().collect());
        }
    });
}

/// Rungs are the admissible prices, tier by tier, in the order of the campaign's policy.
#[test]
fn the_best_admissible_price_comes_first() {
    after_every_world(|world| {
        for life in &world.lives {
            let Some(round) = &life.round else { continue };
            let ladder = round.rungs.iter().map(|rung| rung.contract.clone());
            let ladder: Vec<_> = ladder.collect();
            assert_eq!(ladder, world.expected(life).ladder);
            let rank = |contract| ladder.iter().position(|rung| *rung == contract);
            let posts = life.posts();
            let mut tried: Option<Posted> = None;
            for post in posts {
                if let Some(before) = &tried
                    && rank(before.contract.clone()) > rank(post.contract.clone())
                {
                    // It bid when the other one had been chosen already.
                    let chosen = life.held_at(before.leg).unwrap();
                    assert!(answered(life, post.slot).unwrap() >= chosen);
                }
                tried = Some(post);
            }
        }
    });
}

/// When a contract's first answer to its ping came.
fn answered(life: &Life, slot: Slot) -> Option<Mono> {
    life.history.iter().find_map(|(at, what)| match what {
        Happened::Answered(PingInput::Reply { slot: of, .. }) if *of == slot => Some(*at),
        _ => None,
    })
}

/// Who comes first when a wait ends early is who would have come first after the full wait, if its own
/// bid had stood so long.
#[test]
fn an_early_end_of_the_wait_has_the_same_winner() {
    let early = AtomicU32::new(0);
    after_every_world(|world| {
        for life in &world.lives {
            let ready = |(_, what): &(Mono, Happened)| *what == Happened::Round(PingEffect::Ready);
            let Some(at) = life.history.iter().position(ready) else {
                continue;
            };
            let patient = Rules {
                min_ladder: u16::MAX,
                ..world.rules.clone()
            };
            let mut full = world.round_of(life, patient);
            for (at, what) in &life.history {
                if let Happened::Answered(input) = what {
                    full.on(*at, input.clone());
                }
            }
            let full = full.finish();
            let first = life.first.as_ref().unwrap();
            let mut rows = full.waterfall.rows.iter();
            let row = rows.find(|row| row.contract == first.contract).unwrap();
            if row.ping_reason == Some(ContractReason::BidExpired) {
                continue;
            }
            early.fetch_add(1, Ordering::Relaxed);
            assert_eq!(
                full.rungs.first(),
                Some(first),
                "ready at {:?}",
                life.history[at].0
            );
        }
    });
    let early = early.into_inner();
    assert!(early > 15, "hardly any wait ended early: {early}");
}

/// With the whole lead, and the book of the moment.
#[test]
fn a_contract_is_checked_again_before_its_post() {
    after_every_world(|world| {
        for life in &world.lives {
            for post in life.posts() {
                let held = life.held_at(post.leg).unwrap();
                let checked = world.eligible(life, &post.contract, held);
                assert!(checked.is_ok(), "{} was posted: {checked:?}", post.contract);
            }
        }
    });
}

/// Of every contract: out before the round, out as it opened, or in it.
#[test]
fn an_explanation_agrees_with_the_auction() {
    after_every_world(|world| {
        for life in &world.lives {
            let Some(round) = &life.round else { continue };
            let context = world.context(life, life.arrived);
            let expected = world.expected(life);
            let mut excluded: BTreeMap<ContractReason, u32> = BTreeMap::new();
            for (slot, terms) in world.book.iter() {
                let explained = explain(
                    &world.book,
                    &world.rules,
                    &context,
                    life.view(),
                    Some(&life.facts),
                    life.order.min_payout,
                    slot,
                );
                let mut rows = round.waterfall.rows.iter();
                let row = rows.find(|row| row.contract == terms.contract);
                let Explained { failed, waits } = explained.unwrap();
                match failed {
                    Some(failed) if failed.check < Check::Breaker => {
                        assert_eq!(row, None, "{failed:?}");
                        *excluded.entry(failed.reason).or_default() += 1;
                    }
                    Some(failed) => {
                        assert_eq!(row.unwrap().ping_reason, Some(failed.reason));
                        assert_eq!(row.unwrap().price, None);
                    }
                    None => {
                        let deferred = expected.deferred.contains(&terms.contract);
                        assert_eq!(waits.is_some(), deferred);
                        let asked = round.waterfall.pings.iter();
                        let mut asked = asked.filter(|ping| ping.contract == terms.contract);
                        let nobody_is_asked =
                            || row.unwrap().ping_reason == Some(ContractReason::NoTime);
                        let takes_part = asked.next().is_some() || row.unwrap().price.is_some();
                        assert!(takes_part || nobody_is_asked(), "{row:?}");
                    }
                }
            }
            // Whether none is left out of the counts is another law's matter.
            let counted = &round.waterfall.excluded;
            let at_least = |(explained, counted): (&u32, &u32)| explained >= counted;
            assert!(excluded.keys().eq(counted.keys()));
            assert!(excluded.values().zip(counted.values()).all(at_least));
        }
    });
}

/// What is told from a record that has contact data and some other fields sealed is what the whole lead says, or that it
/// is not known.
#[test]
fn a_sealed_field_makes_no_explanation_wrong() {
    after_every_world(|world| {
        for life in &world.lives {
            if life.order.kind != Kind::Direct || life.round.is_none() {
                continue;
            }
            let context = world.context(life, life.arrived);
            let mut fields = PingFields::default();
            let contact = life.fields.contact.iter();
            let mut sealed: BTreeSet<_> = contact.map(|(name, _)| name.clone()).collect();
            for (at, (name, class, value)) in life.fields.ping.iter().enumerate() {
                if at % 2 == 0 {
                    sealed.insert(name.clone());
                } else {
                    fields.insert(name.clone(), class, value.clone()).unwrap();
                }
            }
            let recorded = LeadView::Recorded {
                fields: &fields,
                sealed: &sealed,
            };
            for (slot, _) in world.book.iter() {
                let explained = |lead, facts| {
                    let least = life.order.min_payout;
                    let (book, rules) = (&world.book, &world.rules);
                    explain(book, rules, &context, lead, facts, least, slot).unwrap()
                };
                let whole = explained(LeadView::Full(&life.fields), Some(&life.facts));
                for facts in [Some(&life.facts), None] {
                    let told = explained(recorded, facts);
                    match (told.first(), told.waits) {
                        (None, Some(_)) => {}
                        // A filter with several parts may name another one that is false.
                        (first, _) => {
                            let check = |failed: &Failed| failed.check;
                            let truth = whole.failed.as_ref().map(check);
                            assert_eq!(first.map(check), truth, "{told:?}");
                        }
                    }
                }
            }
        }
    });
}
