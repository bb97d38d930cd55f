//! A lead as the claims know it: who holds it, what it answered, and the fold of its records.

use std::sync::Arc;

use domain::{AuctionId, LeadId, LeadReason, LegState, Timestamp};
use proto::LeadState;
use store::{ClaimKey, Digest, LeadView};

use super::wait::Waiters;

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
    pub(super) key: Option<ClaimKey>,
    pub(super) quote: Option<AuctionId>,
    pub(super) answer: Option<Arc<[u8]>>,
    pub(super) state: Option<Arc<LeadState>>,
    /// Whether its end is on the expiry queue.
    pub(super) expiring: bool,
    /// Present while somebody waits.
    pub(super) waiters: Option<Waiters>,
}

impl Entry {
    pub(super) fn new(phase: Phase, key: Option<ClaimKey>, quote: Option<AuctionId>) -> Self {
        Self {
            phase,
            key,
            quote,
            answer: None,
            state: None,
            expiring: false,
            waiters: None,
        }
    }

    pub(super) fn view(&self, lead: LeadId) -> LeadView {
        LeadView {
            lead,
            state: self.state.clone(),
            answer: self.answer.clone(),
        }
    }

    /// Whether the lead is not as somebody saw it.
    pub(super) fn has_news(&self, seen: &LeadView) -> bool {
        let applied = |state: &Option<Arc<LeadState>>| state.as_ref().map_or(0, |it| it.applied);
        applied(&self.state) > applied(&seen.state)
            || (self.answer.is_some() && seen.answer.is_none())
    }

    pub(super) fn wake(&self) {
        if let Some(waiters) = &self.waiters {
            waiters.news.notify_waiters();
        }
    }

    /// Takes over a new fold: the claim follows it where its router said nothing.
    pub(super) fn set_state(&mut self, state: Arc<LeadState>) {
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
        self.state = Some(state);
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
