//! Settlement of a leg in doubt, by its buyer's call-back or by an operator.
//!
//! A settlement is a proposal in the lead's partition: the first one that is folded wins. The call
//! waits a little for the fold, else it says 202.

use std::time::Duration;

use domain::{
    BuyerKey, BuyerName, ContractReason, LeadId, LegState, SettledBy, Settlement, Timestamp,
};
use proto::{Interrupted, LeadBody, LeadState, Leg, Settled};
use serde::Deserialize;
use store::fold::LAPSE_GRACE;
use store::{Backend, Claims, LeadView};

use crate::Router;
use crate::attempt::Attempt;
use crate::refusal::Refused;

/// How long the call waits for the fold.
const FOLD: Duration = Duration::from_secs(2);
/// The reason of a leg whose buyer accepted too late.
const LATE: &str = ContractReason::LateAccept.code();
/// The first post of a lead.
const FIRST: u16 = 1;
/// The longest reference that is kept.
const LONGEST_REFERENCE: usize = 128;

/// The body of both calls.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proposal {
    status: Said,
    #[serde(default)]
    reference: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Accepted,
    Rejected,
}

/// What became of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settling {
    /// It ended the leg.
    Settled(Settlement),
    /// It is in the log and not folded yet.
    Waiting,
}

impl<B: Backend> Router<B> {
    /// A buyer settles the post that had this idempotency key.
    pub(crate) async fn settle_by_key(
        &self,
        buyer: &BuyerName,
        key: &str,
        body: &[u8],
        attempt: &mut Attempt,
    ) -> Result<Settling, Refused> {
        let key: BuyerKey = key.parse().map_err(|_| Refused::NotFound("no such post"))?;
        let mine = |leg: &Leg| leg.buyer == buyer.as_str();
        self.settle((key.lead, key.leg), SettledBy::Buyer, body, mine, attempt)
            .await
    }

    /// An operator settles a leg.
    pub(crate) async fn settle_leg(
        &self,
        lead: &str,
        leg: &str,
        body: &[u8],
        attempt: &mut Attempt,
    ) -> Result<Settling, Refused> {
        let lead: LeadId = lead
            .parse()
            .map_err(|_| Refused::NotFound("no such lead"))?;
        let leg: u16 = leg.parse().map_err(|_| Refused::NotFound("no such leg"))?;
        self.settle((lead, leg), SettledBy::Operator, body, |_| true, attempt)
            .await
    }

    async fn settle(
        &self,
        (lead, leg): (LeadId, u16),
        by: SettledBy,
        body: &[u8],
        allowed: impl Fn(&Leg) -> bool,
        attempt: &mut Attempt,
    ) -> Result<Settling, Refused> {
        let proposal: Proposal =
            serde_json::from_slice(body).map_err(|error| Refused::Malformed(error.to_string()))?;
        if proposal.reference.len() > LONGEST_REFERENCE {
            return Err(Refused::Malformed(format!(
                "a reference has at most {LONGEST_REFERENCE} bytes"
            )));
        }
        let view = self.backend.claims().lead(lead).await?;
        let view = view.ok_or(Refused::NotFound("no such lead"))?;
        let state = view
            .state
            .as_deref()
            .ok_or(Refused::NotFound("no such lead"))?;
        if by == SettledBy::Operator && leg == FIRST && is_left(state) {
            attempt.lead(lead);
            return self.end(lead, &proposal, view.clone()).await;
        }
        let found = find(state, leg)
            .filter(|leg| allowed(leg))
            .ok_or(Refused::NotFound("no such leg"))?;
        attempt.lead(lead);
        let accepted = matches!(proposal.status, Said::Accepted);
        let mut late = false;
        match found.leg_state().map_err(store::StoreError::from)? {
            LegState::InDoubt => {}
            LegState::Posting => return Err(Refused::NotInDoubt),
            // An accept after the leg was given up, or sold elsewhere, is kept once; never billed.
            LegState::Rejected if accepted && found.reason != LATE => late = true,
            LegState::Accepted | LegState::Rejected => return Err(Refused::AlreadySettled),
        }
        let mut id = [0; 16];
        self.entropy.fill(&mut id);
        let settled = Settled {
            leg: leg.into(),
            accepted,
            by: by.as_str().to_owned(),
            reference: proposal.reference,
            proposal: id.to_vec(),
        };
        self.append_lead(lead, 0, LeadBody::Settled(settled))
            .await?;
        if late {
            tracing::warn!(%lead, leg, "accepted too late: the lead had gone on, and this is not billed");
            self.metrics
                .count(telemetry::AUCTION_ODD_SALES, ["late_accept"]);
            return Err(Refused::AlreadySettled);
        }
        self.folded(view, |state| became(state, leg, &id)).await
    }

    /// Ends a lead that a router took to post, and of whose post there is no record: that router is gone for
    /// good, and only a person can say so.
    async fn end(
        &self,
        lead: LeadId,
        proposal: &Proposal,
        view: LeadView,
    ) -> Result<Settling, Refused> {
        let received = view
            .state
            .as_deref()
            .map_or(0, |state| state.received_at_us);
        let longest = self.market.load().snapshot.longest_ladder();
        let over = Timestamp::from_micros(received).plus(longest + LAPSE_GRACE);
        if matches!(proposal.status, Said::Accepted) || self.clock.wall() < over {
            return Err(Refused::NotInDoubt);
        }
        self.append_lead(lead, 0, LeadBody::Interrupted(Interrupted {}))
            .await?;
        self.folded(view, |state| {
            let ended = state.ladder_ended;
            ended.then_some(Ok(Settling::Settled(Settlement::Rejected)))
        })
        .await
    }

    /// What the lead's fold says of a record that was appended, or that it says nothing yet.
    async fn folded(
        &self,
        mut view: LeadView,
        said: impl Fn(&LeadState) -> Option<Result<Settling, Refused>>,
    ) -> Result<Settling, Refused> {
        let until = self.clock.mono().plus(FOLD);
        loop {
            let left = until.since(self.clock.mono());
            if left.is_zero() {
                return Ok(Settling::Waiting);
            }
            let Some(changed) = self.backend.claims().changed(&view, left).await? else {
                return Ok(Settling::Waiting);
            };
            view = changed;
            let Some(state) = view.state.as_deref() else {
                return Ok(Settling::Waiting);
            };
            if let Some(said) = said(state) {
                return said;
            }
        }
    }
}

/// What became of a proposal on a leg; none if nothing did yet.
fn became(state: &LeadState, leg: u16, proposal: &[u8]) -> Option<Result<Settling, Refused>> {
    let mut settled = state.settled.iter();
    if let Some(won) = settled.find(|settled| settled.leg == u32::from(leg)) {
        let settlement = if won.accepted {
            Settlement::Accepted
        } else {
            Settlement::Rejected
        };
        let ours = won.proposal == proposal;
        return Some(if ours {
            Ok(Settling::Settled(settlement))
        } else {
            Err(Refused::AlreadySettled)
        });
    }
    let ended = find(state, leg).and_then(|leg| leg.leg_state().ok());
    matches!(ended, Some(LegState::Accepted | LegState::Rejected))
        .then_some(Err(Refused::AlreadySettled))
}

/// Whether nothing is known of a lead but that it was received.
fn is_left(state: &LeadState) -> bool {
    state.legs.is_empty() && !state.ladder_ended
}

fn find(state: &LeadState, leg: u16) -> Option<&Leg> {
    state.legs.iter().find(|known| known.leg == u32::from(leg))
}
