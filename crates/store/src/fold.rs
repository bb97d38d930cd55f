//! How records of topic `leads` become a lead's state. Pure, and the only such rule.
//!
//! A router's own records are a set: they carry all they need and may arrive in any order.
//! Settlements, lapses and interruptions count in log order, and every record counts once: a state
//! knows the offset up to which it is folded. `Settled` ends only a leg in doubt, the first wins.
//!
//! A leg that its buyer will decide on is in doubt too, until a time after which its contract says
//! what silence means. A leg that was abandoned for another buyer is one that ended: an accept of it
//! comes too late, and is never billed.
//!
//! | leg | reply of the router | `Lapsed` | `Settled` |
//! |---|---|---|---|
//! | posting | as it says | in doubt | ignored: not in doubt |
//! | in doubt | as it says | - | as it says |
//! | ended | an accept that comes too late is `late_accept` | - | ignored: already settled |

#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::{ContractReason, LeadId, LeadReason, LeadStatus, LegState, Settlement, Timestamp};
use proto::{
    LeadBody, LeadRecord, LeadState, Leg, LegReply, Outcome, Posting, RecordError, Settled,
};

/// How long after `reply_by` a leg without an answer is given up: its router, if it lives, records
/// the leg as unclear at `reply_by` itself.
pub const LAPSE_GRACE: Duration = Duration::from_secs(2);

/// What folding one record changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The lead is known from now on.
    Received,
    /// A leg's post may have left: its reservation is pinned.
    LegPinned(u16),
    /// A leg is in doubt.
    LegInDoubt(u16),
    /// A leg ended: its reservation is committed or released.
    LegEnded(u16, Settlement),
    /// A settlement came for a leg that is settled, or not in doubt.
    SettlementRefused(u16),
    /// A buyer accepted a leg that had been settled as rejected: kept, never billed.
    LateAccept(u16),
    /// The lead's status is now this.
    Status(LeadStatus),
}

/// What time has to do to a lead whose router is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Record this leg as lapsed.
    Lapse(u16),
    /// The buyer of this leg said it would decide and did not: propose this settlement.
    Settle(u16, Settlement),
    /// Close its claim, then record it as interrupted.
    Interrupt,
}

/// Folds `record`, found at `offset` of its partition, into `state` (none before the lead's first
/// record). Returns no change for a record that was folded before.
///
/// # Errors
/// The record names no lead, or holds a number that its field cannot mean.
pub fn apply(
    state: Option<LeadState>,
    offset: u64,
    record: &LeadRecord,
) -> Result<(LeadState, Vec<Change>), RecordError> {
    let lead = record.lead_id()?;
    let mut state = state.unwrap_or_else(|| empty(lead));
    let mut changes = Vec::new();
    if offset < state.applied {
        return Ok((state, changes));
    }
    match record.body.as_ref().ok_or(RecordError::Field("body"))? {
        LeadBody::Received(received) => {
            // A lead that was taken over is received again; what the first router read is void.
            let known = state.received.is_some();
            let mut received = received.clone();
            received.sealed.clear();
            received.promised = None;
            if !known {
                changes.push(Change::Received);
                state.received_at_us = record.at_us;
            }
            if !known || state.legs.is_empty() {
                state.received = Some(received);
                state.instance = record.instance;
            }
        }
        LeadBody::Posting(posting) => fold_posting(&mut state, record, posting, &mut changes)?,
        LeadBody::Outcome(outcome) => fold_outcome(&mut state, record, outcome, &mut changes)?,
        LeadBody::Settled(settled) => fold_settled(&mut state, record, settled, &mut changes)?,
        LeadBody::Lapsed(lapsed) => {
            let number = leg_number(lapsed.leg)?;
            let leg = leg_mut(&mut state, lapsed.leg);
            if leg.leg_state()? == LegState::Posting {
                leg.state = LegState::InDoubt.number().into();
                leg.reason = ContractReason::InDoubt.to_string();
                changes.push(Change::LegInDoubt(number));
            }
        }
        LeadBody::Interrupted(_) => {
            if !state.ladder_ended && state.legs.is_empty() {
                state.ladder_ended = true;
                state.status = LeadStatus::Unsold.number().into();
                state.reason = LeadReason::Interrupted.number().into();
                state.ended_at_us = record.at_us;
                changes.push(Change::Status(LeadStatus::Unsold));
            }
        }
        LeadBody::Quoted(_) => {
            return Err(RecordError::Field("body: a quote is not a lead's record"));
        }
    }
    derive_status(&mut state, record.at_us, &mut changes)?;
    state.applied = offset.saturating_add(1);
    Ok((state, changes))
}

/// What time has to do to this lead at `now`. `Interrupt` is only a proposal: the claim decides.
///
/// # Errors
/// The state holds a number that its field cannot mean.
pub fn due(state: &LeadState, now: Timestamp) -> Result<Due, RecordError> {
    for leg in &state.legs {
        let lapses = Timestamp::from_micros(leg.reply_by_us).plus(LAPSE_GRACE);
        if leg.leg_state()? == LegState::Posting && now > lapses {
            return Ok(Due::Lapse(leg.number()?));
        }
        if let Some(unsettled) = &leg.unsettled
            && leg.leg_state()? == LegState::InDoubt
            && now >= Timestamp::from_micros(unsettled.by_us)
        {
            let silence = if unsettled.accepted {
                Settlement::Accepted
            } else {
                Settlement::Rejected
            };
            return Ok(Due::Settle(leg.number()?, silence));
        }
    }
    if !state.ladder_ended && state.legs.is_empty() && state.received.is_some() {
        return Ok(Due::Interrupt);
    }
    Ok(Due::Nothing)
}

fn empty(lead: LeadId) -> LeadState {
    LeadState {
        lead: lead.as_bytes().to_vec(),
        status: LeadStatus::Pending.number().into(),
        reason: LeadReason::InProgress.number().into(),
        ..LeadState::default()
    }
}

fn leg_number(leg: u32) -> Result<u16, RecordError> {
    u16::try_from(leg)
        .ok()
        .filter(|&leg| leg > 0)
        .ok_or(RecordError::Field("leg"))
}

/// The leg of this number, made if a later record of the set came first.
fn leg_mut(state: &mut LeadState, number: u32) -> &mut Leg {
    let at = match state.legs.binary_search_by_key(&number, |leg| leg.leg) {
        Ok(at) => at,
        Err(at) => {
            let state_number = LegState::Posting.number().into();
            state.legs.insert(
                at,
                Leg {
                    leg: number,
                    state: state_number,
                    ..Leg::default()
                },
            );
            at
        }
    };
    &mut state.legs[at]
}

fn fold_posting(
    state: &mut LeadState,
    record: &LeadRecord,
    posting: &Posting,
    changes: &mut Vec<Change>,
) -> Result<(), RecordError> {
    let number = leg_number(posting.leg)?;
    let leg = leg_mut(state, posting.leg);
    if leg.contract.is_empty() {
        leg.contract.clone_from(&posting.contract);
        leg.buyer.clone_from(&posting.buyer);
        // What is booked may be known already, and stands.
        if leg.booked.is_none() {
            leg.price_micros = posting.price_micros;
            leg.payout_micros = posting.payout_micros;
        }
        leg.currency.clone_from(&posting.currency);
        leg.counters.clone_from(&posting.counters);
        leg.reply_by_us = posting.reply_by_us;
        leg.started_at_us = posting.started_at_us;
        changes.push(Change::LegPinned(number));
        // The reply came first: end the leg again, now that its reservation is known.
        match leg.leg_state()? {
            LegState::Accepted => changes.push(Change::LegEnded(number, Settlement::Accepted)),
            LegState::Rejected => changes.push(Change::LegEnded(number, Settlement::Rejected)),
            LegState::Posting | LegState::InDoubt => {}
        }
    }
    fold_replies(state, record, &posting.replies, changes)
}

fn fold_replies(
    state: &mut LeadState,
    record: &LeadRecord,
    replies: &[LegReply],
    changes: &mut Vec<Change>,
) -> Result<(), RecordError> {
    for reply in replies {
        let number = leg_number(reply.leg)?;
        let said = proto_leg_state(reply.state)?;
        let leg = leg_mut(state, reply.leg);
        match (leg.leg_state()?, said) {
            (LegState::Posting | LegState::InDoubt, said) => {
                leg.state = said.number().into();
                leg.reason.clone_from(&reply.reason);
                leg.took_us = reply.took_us;
                leg.http_status = reply.http_status;
                leg.reference.clone_from(&reply.reference);
                leg.unsent = reply.unsent;
                leg.answered_micros = reply.answered_micros;
                leg.unsettled = reply.unsettled;
                leg.ended_at_us = record.at_us;
                match said {
                    LegState::Accepted => {
                        if let Some(booked) = &reply.booked {
                            leg.price_micros = booked.price_micros;
                            leg.payout_micros = booked.payout_micros;
                            leg.booked = Some(booked.clone());
                        }
                        changes.push(Change::LegEnded(number, Settlement::Accepted))
                    }
                    LegState::Rejected => {
                        changes.push(Change::LegEnded(number, Settlement::Rejected))
                    }
                    LegState::InDoubt => changes.push(Change::LegInDoubt(number)),
                    LegState::Posting => {}
                }
            }
            (LegState::Rejected, LegState::Accepted) => {
                leg.reason = ContractReason::LateAccept.to_string();
                leg.reference.clone_from(&reply.reference);
                changes.push(Change::LateAccept(number));
            }
            (LegState::Accepted | LegState::Rejected, _) => {}
        }
    }
    Ok(())
}

fn fold_outcome(
    state: &mut LeadState,
    record: &LeadRecord,
    outcome: &Outcome,
    changes: &mut Vec<Change>,
) -> Result<(), RecordError> {
    fold_replies(state, record, &outcome.replies, changes)?;
    if state.ladder_ended {
        return Ok(());
    }
    state.ladder_ended = true;
    state.took_us = outcome.took_us;
    let status = outcome.lead_status()?;
    let mut legs = state.legs.iter();
    let accepted = legs.any(|leg| leg.leg_state() == Ok(LegState::Accepted));
    if status.is_final() && (status == LeadStatus::Sold) != accepted {
        // A settlement came first: what a router says against it, far too late, is no outcome.
        return Ok(());
    }
    state.status = outcome.status;
    state.reason = outcome.reason;
    if status.is_final() {
        state.ended_at_us = record.at_us;
        state.sealed_answer.clone_from(&outcome.sealed_answer);
        changes.push(Change::Status(status));
    }
    Ok(())
}

fn fold_settled(
    state: &mut LeadState,
    record: &LeadRecord,
    settled: &Settled,
    changes: &mut Vec<Change>,
) -> Result<(), RecordError> {
    let number = leg_number(settled.leg)?;
    let Ok(at) = state.legs.binary_search_by_key(&settled.leg, |leg| leg.leg) else {
        changes.push(Change::SettlementRefused(number));
        return Ok(());
    };
    let leg = &mut state.legs[at];
    let settlement = if settled.accepted {
        Settlement::Accepted
    } else {
        Settlement::Rejected
    };
    match (leg.leg_state()?, settlement) {
        (LegState::InDoubt, settlement) => {
            leg.state = settlement.leg_state().number().into();
            leg.reason = match settlement {
                Settlement::Accepted => ContractReason::Won.to_string(),
                Settlement::Rejected => ContractReason::BuyerRejected.to_string(),
            };
            leg.settled_by.clone_from(&settled.by);
            leg.reference.clone_from(&settled.reference);
            leg.ended_at_us = record.at_us;
            state.settled.push(settled.clone());
            changes.push(Change::LegEnded(number, settlement));
        }
        (LegState::Rejected, Settlement::Accepted) => {
            leg.reason = ContractReason::LateAccept.to_string();
            changes.push(Change::LateAccept(number));
            changes.push(Change::SettlementRefused(number));
        }
        (LegState::Posting | LegState::Accepted | LegState::Rejected, _) => {
            changes.push(Change::SettlementRefused(number));
        }
    }
    Ok(())
}

/// A lead is sold as soon as a leg is, pending while one may still be, and unsold once none can.
fn derive_status(
    state: &mut LeadState,
    at_us: i64,
    changes: &mut Vec<Change>,
) -> Result<(), RecordError> {
    let mut open = None;
    let mut accepted = false;
    for leg in &state.legs {
        match leg.leg_state()? {
            LegState::Accepted => accepted = true,
            LegState::InDoubt => open = Some(LeadReason::InDoubt),
            LegState::Posting => open = open.or(Some(LeadReason::InProgress)),
            LegState::Rejected => {}
        }
    }
    let before = state.lead_status()?;
    let all_ended = !state.legs.is_empty() && open.is_none();
    // Without an outcome only a settlement can have ended the last leg: its router is gone.
    let gone = state.ladder_ended
        || state
            .settled
            .last()
            .is_some_and(|last| Some(last.leg) == state.legs.last().map(|leg| leg.leg));
    let (status, reason) = match open {
        _ if accepted => (LeadStatus::Sold, 0),
        Some(reason) => (LeadStatus::Pending, reason.number()),
        None if all_ended && gone && before == LeadStatus::Pending => {
            (LeadStatus::Unsold, LeadReason::AllRejected.number())
        }
        None => return Ok(()),
    };
    if status != before {
        state.status = status.number().into();
        state.ended_at_us = if status.is_final() { at_us } else { 0 };
        changes.push(Change::Status(status));
    }
    state.reason = reason.into();
    Ok(())
}

fn proto_leg_state(number: u32) -> Result<LegState, RecordError> {
    u8::try_from(number)
        .ok()
        .and_then(LegState::from_number)
        .ok_or(RecordError::Field("state"))
}
