//! Folding by example.

use super::*;
use proto::{Booked, Interrupted, Lapsed, Received, Unsettled};

fn record(n: u32, body: LeadBody) -> LeadRecord {
    LeadRecord {
        subject: vec![1; 16],
        n,
        at_us: i64::from(n) * 1000,
        instance: 1,
        body: Some(body),
    }
}

fn posting(leg: u32, replies: Vec<LegReply>) -> LeadBody {
    LeadBody::Posting(Posting {
        leg,
        contract: format!("c{leg}"),
        reply_by_us: 5_000_000,
        replies,
        ..Posting::default()
    })
}

fn reply(leg: u32, state: LegState) -> LegReply {
    LegReply {
        leg,
        state: state.number().into(),
        ..LegReply::default()
    }
}

fn outcome(status: LeadStatus, replies: Vec<LegReply>) -> LeadBody {
    LeadBody::Outcome(Outcome {
        status: status.number().into(),
        replies,
        ..Outcome::default()
    })
}

fn settled(leg: u32, accepted: bool) -> LeadBody {
    LeadBody::Settled(Settled {
        leg,
        accepted,
        by: "operator".into(),
        ..Settled::default()
    })
}

/// Folds records in this order; returns the state and the changes of the last.
fn fold(records: &[LeadRecord]) -> (LeadState, Vec<Change>) {
    let mut folded = (None, Vec::new());
    for (offset, record) in records.iter().enumerate() {
        let (state, changes) = apply(folded.0, offset as u64, record).unwrap();
        folded = (Some(state), changes);
    }
    (folded.0.unwrap(), folded.1)
}

#[test]
fn a_routers_records_are_a_set() {
    let records = [
        record(0, LeadBody::Received(Received::default())),
        record(1, posting(1, vec![])),
        record(2, posting(2, vec![reply(1, LegState::Rejected)])),
        record(
            3,
            outcome(LeadStatus::Sold, vec![reply(2, LegState::Accepted)]),
        ),
    ];
    let mut expected = None;
    for order in permutations(records.len()) {
        let shuffled: Vec<_> = order.iter().map(|&i| records[i].clone()).collect();
        let (mut state, _) = fold(&shuffled);
        state.ended_at_us = 0;
        for leg in &mut state.legs {
            leg.ended_at_us = 0;
        }
        assert_eq!(state.lead_status().unwrap(), LeadStatus::Sold, "{order:?}");
        assert_eq!(
            *expected.get_or_insert_with(|| state.clone()),
            state,
            "{order:?}"
        );
    }
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for shorter in permutations(n - 1) {
        for at in 0..n {
            let mut longer = shorter.clone();
            longer.insert(at, n - 1);
            all.push(longer);
        }
    }
    all
}

#[test]
fn a_record_counts_once() {
    let history = [
        record(0, LeadBody::Received(Received::default())),
        record(1, posting(1, vec![])),
        record(0, LeadBody::Lapsed(Lapsed { leg: 1 })),
        record(0, settled(1, true)),
        record(2, outcome(LeadStatus::Pending, vec![])),
    ];
    let mut folded = None;
    for (offset, record) in history.iter().enumerate() {
        let (state, _) = apply(folded, offset as u64, record).unwrap();
        let (again, changes) = apply(Some(state.clone()), offset as u64, record).unwrap();
        assert_eq!((&again, changes), (&state, vec![]));
        folded = Some(again);
    }
}

#[test]
fn the_first_settlement_of_a_leg_in_doubt_wins() {
    let dead = [
        record(0, LeadBody::Received(Received::default())),
        record(1, posting(1, vec![])),
        record(0, settled(1, true)),
    ];
    let (state, changes) = fold(&dead);
    assert_eq!(
        changes,
        vec![Change::SettlementRefused(1)],
        "the router may still hear the buyer"
    );
    assert_eq!(
        due(&state, Timestamp::from_micros(5_000_000)).unwrap(),
        Due::Nothing
    );
    assert_eq!(
        due(&state, Timestamp::from_micros(7_000_001)).unwrap(),
        Due::Lapse(1)
    );

    let mut records = dead[..2].to_vec();
    records.push(record(0, LeadBody::Lapsed(Lapsed { leg: 1 })));
    assert_eq!(fold(&records).1, vec![Change::LegInDoubt(1)]);
    records.push(record(0, settled(1, false)));
    let (state, changes) = fold(&records);
    assert_eq!(
        changes,
        vec![
            Change::LegEnded(1, Settlement::Rejected),
            Change::Status(LeadStatus::Unsold)
        ]
    );
    assert_eq!(state.lead_reason().unwrap(), Some(LeadReason::AllRejected));
    records.push(record(0, settled(1, true)));
    assert_eq!(
        fold(&records).1,
        vec![Change::LateAccept(1), Change::SettlementRefused(1)]
    );
    records.push(record(
        2,
        outcome(LeadStatus::Sold, vec![reply(1, LegState::Accepted)]),
    ));
    assert_eq!(
        fold(&records).0.legs[0].leg_state().unwrap(),
        LegState::Rejected
    );
}

#[test]
fn an_outcome_against_a_settlement_comes_too_late() {
    let settled_first = |accepted| {
        [
            record(0, posting(1, vec![])),
            record(0, LeadBody::Lapsed(Lapsed { leg: 1 })),
            record(0, settled(1, accepted)),
        ]
    };
    let mut records = settled_first(false).to_vec();
    records.push(record(
        2,
        outcome(LeadStatus::Sold, vec![reply(1, LegState::Accepted)]),
    ));
    let (state, changes) = fold(&records);
    assert_eq!(state.lead_status(), Ok(LeadStatus::Unsold));
    assert_eq!(changes, vec![Change::LateAccept(1)]);
    let mut records = settled_first(true).to_vec();
    records.push(record(
        2,
        outcome(LeadStatus::Unsold, vec![reply(1, LegState::Rejected)]),
    ));
    let (state, changes) = fold(&records);
    assert_eq!(state.lead_status(), Ok(LeadStatus::Sold));
    assert_eq!(changes, vec![]);
}

#[test]
fn what_is_booked_stands_in_any_order() {
    let sold = LegReply {
        booked: Some(Booked {
            price_micros: 7,
            payout_micros: 5,
            flags: vec!["price_changed".into()],
        }),
        answered_micros: 9,
        ..reply(1, LegState::Accepted)
    };
    let records = [
        record(1, posting(1, vec![])),
        record(2, outcome(LeadStatus::Sold, vec![sold])),
    ];
    for order in permutations(records.len()) {
        let shuffled: Vec<_> = order.iter().map(|&i| records[i].clone()).collect();
        let leg = fold(&shuffled).0.legs.remove(0);
        assert_eq!((leg.price_micros, leg.payout_micros), (7, 5));
        assert_eq!(leg.answered_micros, 9);
        assert_eq!(leg.contract, "c1");
    }
}

#[test]
fn a_buyer_that_says_nothing_is_settled_at_its_time_and_not_before() {
    let pending = |accepted| LegReply {
        unsettled: Some(Unsettled {
            by_us: 60_000_000,
            accepted,
        }),
        ..reply(1, LegState::InDoubt)
    };
    for (accepted, silence) in [(true, Settlement::Accepted), (false, Settlement::Rejected)] {
        let mut records = vec![
            record(1, posting(1, vec![])),
            record(2, outcome(LeadStatus::Pending, vec![pending(accepted)])),
        ];
        let (state, _) = fold(&records);
        let due = |at| due(&state, Timestamp::from_micros(at));
        assert_eq!(due(59_999_999), Ok(Due::Nothing));
        assert_eq!(due(60_000_000), Ok(Due::Settle(1, silence)));
        // Whoever came first has settled it.
        records.push(record(0, settled(1, !accepted)));
        let (state, _) = fold(&records);
        let due = super::due(&state, Timestamp::from_micros(i64::MAX));
        assert_eq!(due, Ok(Due::Nothing));
        let sold = state.lead_status() == Ok(LeadStatus::Sold);
        assert_eq!(sold, !accepted);
    }
}

#[test]
fn an_abandoned_leg_is_never_billed() {
    let abandoned = LegReply {
        reason: ContractReason::Abandoned.to_string(),
        ..reply(1, LegState::Rejected)
    };
    let mut records = vec![
        record(1, posting(1, vec![])),
        record(2, posting(2, vec![abandoned])),
        record(
            3,
            outcome(LeadStatus::Sold, vec![reply(2, LegState::Accepted)]),
        ),
    ];
    assert_eq!(fold(&records).0.legs[0].reason, "abandoned");
    records.push(record(0, settled(1, true)));
    let (state, changes) = fold(&records);
    let late = [Change::LateAccept(1), Change::SettlementRefused(1)];
    assert_eq!(changes, late);
    assert_eq!(state.legs[0].leg_state(), Ok(LegState::Rejected));
    assert_eq!(state.legs[0].reason, "late_accept");
    assert_eq!(state.lead_status(), Ok(LeadStatus::Sold));
}

#[test]
fn a_lead_without_a_post_is_interrupted_and_stays_so() {
    let received = record(0, LeadBody::Received(Received::default()));
    let (state, _) = fold(std::slice::from_ref(&received));
    assert_eq!(
        due(&state, Timestamp::from_micros(0)).unwrap(),
        Due::Interrupt
    );
    let (state, changes) = fold(&[received, record(0, LeadBody::Interrupted(Interrupted {}))]);
    assert_eq!(changes, vec![Change::Status(LeadStatus::Unsold)]);
    assert_eq!(state.lead_reason().unwrap(), Some(LeadReason::Interrupted));
    assert_eq!(
        due(&state, Timestamp::from_micros(i64::MAX)).unwrap(),
        Due::Nothing
    );
}
