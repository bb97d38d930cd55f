//! How leads end, and their legs.

use std::collections::BTreeSet;

use auction::{Fate, Kind, LadderEffect, LadderRecord};
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
            let took: Vec<_> = life.took().map(|(contract, _)| contract).collect();
            assert!(took.len() <= 1, "{} is with {took:?}", life.lead);
            let ends = life.ended_legs(life.history.len());
            let accepted = ends.values().filter(|end| **end == LegState::Accepted);
            assert!(accepted.count() <= 1);
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
