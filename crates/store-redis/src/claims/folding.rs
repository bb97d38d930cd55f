//! A record of the log comes to its lead: read, folded by the rule that all share, written if nobody else
//! was faster. Who folds what was folded before is told what it came to.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use domain::{LeadId, LeadReason, LeadStatus, LegState};
use proto::{LeadRecord, LeadState, Leg, Message as _, Received, RecordError};
use redis::Cmd;
use store::{ClaimKey, Earlier, Folded, StoreError, fold};

use super::{TRIES, contended, key_name, read};
use crate::link::Call;
use crate::names::Space;
use crate::script;

/// What Redis has of a lead before a record.
struct Before {
    state: Option<LeadState>,
    /// How far the partition has been folded.
    folded: u64,
    /// It had ended and was forgotten, and is read again.
    again: bool,
}

/// What is done with a record of a lead that ended long ago and was forgotten since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// It is folded for who reads, and counts no more.
    Read,
    /// Nothing.
    Skip,
}

/// Folds records of one lead, found at these offsets of its partition, in this order.
pub(crate) async fn fold(
    redis: &(impl Call + Sync),
    partition: u16,
    lead: LeadId,
    records: &[(u64, &LeadRecord)],
    forgotten: Forgotten,
) -> Result<Folded, StoreError> {
    for _ in 0..TRIES {
        let before = before(redis, lead, partition).await?;
        let unknown = before.state.is_none();
        let applied = before.state.as_ref().map_or(0, |state| state.applied);
        let (mut state, mut changes) = (before.state, Vec::new());
        let mut again = before.again;
        for (offset, record) in records {
            again |= state.is_none() && *offset < before.folded;
            let (after, changed) = fold::apply(state.take(), *offset, record)?;
            changes.extend(changed);
            state = Some(after);
        }
        let state = Arc::new(state.unwrap_or_default());
        if again {
            changes.clear();
        }
        let is_lead = state.received.is_some() || !state.legs.is_empty();
        if again && forgotten == Forgotten::Skip {
            return Ok(Folded {
                state: Arc::default(),
                changes,
            });
        }
        let from_the_middle = again && unknown && state.received.is_none();
        if state.applied == applied || !is_lead || from_the_middle {
            return Ok(Folded { state, changes });
        }
        let write = writing(lead, partition, applied, &state, again)?;
        if redis.call(Space::Claims, &script::FOLDED, write).await? {
            return Ok(Folded { state, changes });
        }
    }
    Err(contended())
}

async fn before(
    redis: &(impl Call + Sync),
    lead: LeadId,
    partition: u16,
) -> Result<Before, StoreError> {
    let name = lead.to_string();
    let said = redis.call(Space::Claims, &script::FOLDING, |command| {
        command.arg(&name).arg(partition);
    });
    let (state, folded, again): (Vec<u8>, u64, String) = said.await?;
    let state = (!state.is_empty()).then(|| LeadState::decode(state.as_slice()));
    Ok(Before {
        state: state.transpose().map_err(RecordError::from)?,
        folded,
        again: !again.is_empty(),
    })
}

/// What writing a lead down takes whose fold reached to `applied` before.
fn writing(
    lead: LeadId,
    partition: u16,
    applied: u64,
    state: &LeadState,
    again: bool,
) -> Result<impl Fn(&mut Cmd) + Send + Sync, StoreError> {
    let lead = lead.to_string();
    let standing = match has_ended(state) {
        _ if again => "again",
        true => "ended",
        false => "open",
    };
    let received = state.received.as_ref().filter(|_| !again);
    let claimed = received.map(Claimed::by).transpose()?.unwrap_or_default();
    let remembered = Earlier::of(state)?;
    let bytes = state.encode_to_vec();
    let (answer, makes) = (state.sealed_answer.clone(), makes(state));
    let (reaches, at) = (state.applied, state.received_at_us);
    Ok(move |command: &mut Cmd| {
        command.arg(&lead).arg(partition).arg(applied).arg(reaches);
        command.arg(&bytes).arg(makes).arg(&answer);
        command.arg(standing).arg(at);
        command.arg(&claimed.key).arg(&claimed.digest);
        command.arg(&claimed.quote);
        if let Some(earlier) = &remembered {
            command.arg(&earlier.campaign).arg(&earlier.publisher);
            command.arg(earlier.at.as_micros());
            command.arg(earlier.until.as_micros());
            command.arg(read::standing(earlier.standing));
            command.arg(read::joined(&earlier.hashes));
            command.arg(earlier.buyers.join(","));
        }
    })
}

/// What a lead's own record says that it claims.
#[derive(Default)]
struct Claimed {
    key: String,
    digest: String,
    quote: String,
}

impl Claimed {
    fn by(received: &Received) -> Result<Self, RecordError> {
        let quote = received.auction_id()?;
        let mut claimed = Self {
            quote: quote.map(|quote| quote.to_string()).unwrap_or_default(),
            ..Self::default()
        };
        if let Some(claim) = &received.claim {
            claimed.key = key_name(&ClaimKey(claim.key.clone()));
            claimed.digest = HEXLOWER.encode(&claim.digest);
        }
        Ok(claimed)
    }
}

/// What the fold makes of the claim where its router said nothing.
fn makes(state: &LeadState) -> &'static str {
    let is_final = state.lead_status().is_ok_and(LeadStatus::is_final);
    match state.lead_reason() {
        // Settled before its router had a word: that word is no answer any more.
        _ if is_final && !state.ladder_ended && !state.settled.is_empty() => "closed",
        Ok(Some(LeadReason::Interrupted)) if is_final && state.ladder_ended => "closed",
        _ if is_final && state.ladder_ended => "answered",
        _ if !state.legs.is_empty() => "posting",
        _ => "",
    }
}

/// Whether no record can be expected to change this lead any more.
pub(super) fn has_ended(state: &LeadState) -> bool {
    let ended = |leg: &Leg| {
        let state = leg.leg_state();
        matches!(state, Ok(LegState::Accepted | LegState::Rejected))
    };
    state.lead_status().is_ok_and(LeadStatus::is_final) && state.legs.iter().all(ended)
}
