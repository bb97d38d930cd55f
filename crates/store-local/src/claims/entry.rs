//! A lead as the claims know it: who holds it, what it answered, and the fold of its records.

use std::sync::Arc;

use domain::{AuctionId, LeadId, LeadReason, LegState, Timestamp};
use proto::LeadState;
use store::{Digest, LeadView};

use super::key::KeyHash;
use super::wait::Waiters;
use crate::past::Ended;

/// Where a claim stands: `Admitted -> Posting -> Answered`, or `Admitted -> Closed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A router works on it until the lease ends; then whoever has the whole lead may take it over.
    Admitted { lease: Timestamp },
    /// A post may have left: it is never run again.
    Posting,
    /// It has its final answer.
    Answered,
    /// The fold ended it before any post.
    Closed,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) phase: Phase,
    pub(super) key: Option<KeyHash>,
    pub(super) quote: Option<AuctionId>,
    pub(super) answer: Option<Arc<[u8]>>,
    pub(super) fold: Fold,
    /// Where it is on the list of those that are forgotten.
    pub(super) due: Option<Timestamp>,
    /// Present while somebody waits.
    pub(super) waiters: Option<Waiters>,
}

/// What is known of a lead's records.
#[derive(Debug)]
pub(super) enum Fold {
    /// There is none yet.
    Nothing,
    /// Their fold, and where they are.
    Whole {
        state: Arc<LeadState>,
        records: Vec<u64>,
    },
    /// Where they are: it has ended, and everybody has seen it.
    Ended(Ended),
}

impl Fold {
    pub(super) fn whole(&self) -> Option<&Arc<LeadState>> {
        match self {
            Self::Whole { state, .. } => Some(state),
            Self::Nothing | Self::Ended(_) => None,
        }
    }

    /// Offset of the last record folded, plus one.
    pub(super) fn applied(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Whole { state, .. } => state.applied,
            Self::Ended(ended) => ended.applied,
        }
    }
}

/// A lead as it is in memory.
pub(super) enum Found {
    /// Whole.
    Here(LeadView),
    /// To be read from the log.
    Past(Ended),
}

impl Entry {
    pub(super) fn new(phase: Phase, key: Option<KeyHash>, quote: Option<AuctionId>) -> Self {
        Self {
            phase,
            key,
            quote,
            answer: None,
            fold: Fold::Nothing,
            due: None,
            waiters: None,
        }
    }

    pub(super) fn found(&self, lead: LeadId) -> Found {
        let state = match &self.fold {
            Fold::Ended(ended) => return Found::Past(ended.clone()),
            Fold::Whole { state, .. } => Some(Arc::clone(state)),
            Fold::Nothing => None,
        };
        Found::Here(LeadView {
            lead,
            state,
            answer: self.answer.clone(),
        })
    }

    /// Whether the lead is not as somebody saw it.
    pub(super) fn has_news(&self, seen: &LeadView) -> bool {
        let applied = seen.state.as_ref().map_or(0, |state| state.applied);
        self.fold.applied() > applied || (self.answer.is_some() && seen.answer.is_none())
    }

    pub(super) fn wake(&self) {
        if let Some(waiters) = &self.waiters {
            waiters.news.notify_waiters();
        }
    }

    /// Takes over a new fold of these records: the claim follows it where its router said nothing.
    pub(super) fn set_state(&mut self, state: Arc<LeadState>, records: Vec<u64>) {
        self.phase = match self.phase {
            Phase::Closed => Phase::Closed,
            // Settled before its router had a word: that word is no answer any more.
            _ if is_final(&state) && !state.ladder_ended && !state.settled.is_empty() => {
                Phase::Closed
            }
            _ if is_final(&state) && state.ladder_ended => match state.lead_reason() {
                Ok(Some(LeadReason::Interrupted)) => Phase::Closed,
                _ => Phase::Answered,
            },
            Phase::Admitted { .. } if !state.legs.is_empty() => Phase::Posting,
            phase => phase,
        };
        if self.answer.is_none() && !state.sealed_answer.is_empty() {
            self.answer = Some(state.sealed_answer.as_slice().into());
        }
        self.fold = Fold::Whole { state, records };
    }

    /// Lets go of the state of a lead that has ended: its records say all there is to say.
    pub(super) fn cool(&mut self) -> Option<&Ended> {
        let Fold::Whole { state, records } = &self.fold else {
            return None;
        };
        let answered = match &self.answer {
            Some(answer) => **answer == *state.sealed_answer,
            None => state.sealed_answer.is_empty(),
        };
        if !matches!(self.phase, Phase::Answered | Phase::Closed) || !answered {
            return None;
        }
        self.fold = Fold::Ended(Ended::new(state, records));
        self.answer = None;
        match &self.fold {
            Fold::Ended(ended) => Some(ended),
            Fold::Nothing | Fold::Whole { .. } => None,
        }
    }
}

fn is_final(state: &LeadState) -> bool {
    state.lead_status().is_ok_and(domain::LeadStatus::is_final)
}

/// Whether no record can be expected to change this lead any more.
pub(crate) fn has_ended(state: &LeadState) -> bool {
    is_final(state)
        && state
            .legs
            .iter()
            .all(|leg| matches!(leg.leg_state(), Ok(LegState::Accepted | LegState::Rejected)))
}

/// A key and what it leads to.
#[derive(Debug)]
pub(super) struct Keyed {
    pub(super) digest: Digest,
    pub(super) target: Target,
}

#[derive(Debug)]
pub(super) enum Target {
    Lead(LeadId),
    Quote { answer: Arc<[u8]>, until: Timestamp },
}
