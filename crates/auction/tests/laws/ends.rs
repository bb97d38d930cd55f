//! How leads end, and their legs.

use std::collections::BTreeSet;
use std::time::Duration;

use auction::{Fate, Kind, LadderEffect, LadderInput, LadderRecord, PostReply};
use domain::{ContractReason, LeadStatus, LegState};

use crate::after_every_world;
use crate::life::{Happened, Life};

/// Pings = quoted + no bid, quoted = posted + open; received = sold + unsold + pending, lost = 0.
#[test]
fn every_ping_and_every_lead_ends() {
    after_every_world(|world| {
        let (pings, direct): (Vec<_>, Vec<_>) = world
            .lives
            .iter()
            .partition(|life| life.order.kind == Kind::Ping);
        let (quoted, no_bid): (Vec<_>, Vec<_>) =
            pings.into_iter().partition(|life| life.quoted().is_some());
        for life in no_bid {
            assert!(life.round.is_some(), "the ping of {} hangs", life.lead);
        }
        let (posted, open): (Vec<&Life>, Vec<_>) =
            quoted.into_iter().partition(|life| life.posted());
        assert!(open.iter().all(|life| life.order.posts.is_none()));
        for life in posted.into_iter().chain(direct) {
            let fates = life.fates();
            assert_eq!(fates.len(), 1, "{} ends as {fates:?}", life.lead);
        }
    });
}

/// What the router may tell is what the log has, once, and it is consistent in itself.
#[test]
fn a_lead_has_one_outcome() {
    after_every_world(|world| {
        for life in &world.lives {
            let outcomes = life.outcomes();
            match life.fates().first() {
                Some(Fate::Recorded) => assert_eq!(outcomes.len(), 1),
                Some(Fate::Unrecorded | Fate::Lost) | None => assert_eq!(outcomes.len(), 0),
            }
            for ended in outcomes {
                let sold = ended.sold.as_ref();
                assert_eq!(sold.is_some(), ended.status == LeadStatus::Sold);
                assert_eq!(sold.is_some(), ended.reason.is_none());
                let winner = sold.map(|sold| life.contract(sold.slot));
                for row in &ended.waterfall.rows {
                    let won = row.reason() == Some(&ContractReason::Won);
                    assert_eq!(won, winner == Some(&row.contract), "{}", row.contract);
                }
            }
        }
    });
}

/// What the buyers have is the truth, whatever we were told of it.
#[test]
fn an_exclusive_lead_has_at_most_one_billed_sale() {
    after_every_world(|world| {
        for life in &world.lives {
            // Who was abandoned before another was posted may have it, and is never billed for it.
            let took: Vec<_> = life.took().map(|(contract, _)| contract).collect();
            let void = life.abandoned();
            let billed = took.iter().filter(|contract| !void.contains(**contract));
            assert!(billed.count() <= 1, "{} is with {took:?}", life.lead);
            let ends = life.ended_legs(life.history.len());
            let accepted = ends.values().filter(|end| **end == LegState::Accepted);
            assert!(accepted.count() <= 1);
            // Nobody is posted while another may still have it and be billed for it.
            let posts = life.posts();
            for (earlier, later) in posts.iter().zip(posts.iter().skip(1)) {
                let end = life.replies(later.index).remove(&earlier.leg).unwrap();
                assert_eq!(end.state, LegState::Rejected, "{}", later.contract);
                if end.reason == ContractReason::Abandoned {
                    assert!(life.book.get(earlier.slot).unwrap().resell_in_doubt);
                    let in_time = later.at <= earlier.until.plus(Duration::from_secs(1));
                    assert!(in_time, "{} is given up too late", earlier.contract);
                }
            }
        }
    });
}

/// From any crash point the fold ends every leg: it must not find one open in the log whose unit is
/// free already, or whose lead has ended.
#[test]
fn every_leg_ends_in_the_log_before_its_unit_is_free() {
    after_every_world(|world| {
        for life in &world.lives {
            let recorded = life.effects().filter_map(|(_, effect)| match effect {
                LadderEffect::Record {
                    record: LadderRecord::Posting { leg, .. },
                    ..
                } => Some(*leg),
                _ => None,
            });
            let recorded: BTreeSet<u16> = recorded.collect();
            for (at, (_, what)) in life.history.iter().enumerate() {
                if let Happened::Ladder(LadderEffect::Release(freed, _)) = what
                    && recorded.contains(&freed.id.leg)
                {
                    let end = life.ended_legs(at).remove(&freed.id.leg);
                    assert_eq!(end, Some(LegState::Rejected), "{}", freed.id);
                }
            }
            if !life.outcomes().is_empty() {
                let ended = life.ended_legs(life.history.len());
                let ended: BTreeSet<u16> = ended.into_keys().collect();
                assert_eq!(ended, recorded, "{}", life.lead);
            }
        }
    });
}

/// As long as the buyer asks for, never longer than its contract allows.
#[test]
fn a_buyer_that_will_say_later_has_its_time() {
    after_every_world(|world| {
        for life in &world.lives {
            for (leg, reply) in life.replies(life.history.len()) {
                let posts = life.posts();
                let post = posts.iter().find(|post| post.leg == leg);
                let Some(unsettled) = reply.unsettled else {
                    continue;
                };
                let terms = life.book.get(post.unwrap().slot).unwrap();
                assert_eq!(unsettled.then, terms.on_unsettled);
                let told = life.history.iter().find_map(|(at, what)| match what {
                    Happened::Told(LadderInput::Reply {
                        leg: of,
                        reply: PostReply::Pending { settle_by },
                    }) if *of == leg => Some((*at, *settle_by)),
                    _ => None,
                });
                let (at, asked) = told.unwrap();
                let latest = world.wall(at).plus(terms.settle_within);
                let due = asked.map_or(latest, |asked| asked.min(latest));
                assert_eq!(unsettled.by, due.max(world.wall(at)));
            }
        }
    });
}
