//! Leads that the book does not run for: why, cheap questions first. They are recorded whole, told at
//! once, and never posted to anybody.

use std::collections::BTreeMap;
use std::future::Future;

use auction::{Context, Ended, Fate, Waterfall};
use domain::{LeadReason, LeadStatus, Timestamp};
use store::{Backend, Caps, StoreError};

use crate::Router;
use crate::call::Caller;
use crate::climb::Climber;
use crate::consumer::Known;
use crate::lead::{Answer, BeginError};

/// What the publisher says that may turn its lead away.
pub(crate) struct Brought<'a> {
    /// Whether it is a test, which no cap counts.
    pub(crate) test: bool,
    /// Its sub ids.
    pub(crate) sub: &'a BTreeMap<String, String>,
    /// Whether the consent is there that the campaign asks for, or may still come.
    pub(crate) consent: bool,
}

impl<B: Backend> Router<B> {
    /// Adds to what is known of a consumer what is known of the rest: whether the book runs at all.
    pub(crate) async fn judge(
        &self,
        caller: &Caller,
        brought: Brought<'_>,
        mut known: Known,
        now: Timestamp,
    ) -> Result<Known, StoreError> {
        let (campaign, publisher) = (&caller.stall.campaign, &caller.publisher);
        if !campaign.sources.allow(publisher, brought.sub) {
            known.away = Some(LeadReason::Source);
        } else if !brought.consent {
            known.away = Some(LeadReason::Consent);
        } else if known.away.is_none()
            && !brought.test
            && let Some(limits) = &caller.rules.limits
        {
            let counters = limits.asked(publisher, now);
            let used = self.backend.caps().used(&counters).await?;
            known.facts.used = counters.into_iter().zip(used).collect();
            let full = limits.is_full(publisher, now, &known.facts.used);
            known.away = full.then_some(LeadReason::PublisherCap);
        }
        Ok(known)
    }
}

impl<B: Backend> Climber<'_, B> {
    /// Ends a lead before the book: `duplicate`, or `rejected` for any other reason. Both records
    /// leave together.
    pub(crate) async fn turn_away(
        &mut self,
        reason: LeadReason,
        context: &Context,
        vault: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<Answer, BeginError> {
        let ended = Ended {
            status: match reason {
                LeadReason::Duplicate => LeadStatus::Duplicate,
                _ => LeadStatus::Rejected,
            },
            reason: Some(reason),
            sold: None,
            waterfall: Waterfall::default(),
            told_pending: false,
        };
        let lead = self.job.lead;
        let received = self.received(&self.job.known.facts, context)?;
        let received = self.router.append_lead(lead, 0, received);
        let outcome = self.outcome(&ended, &[]);
        let outcome = self.router.append_lead(lead, 1, outcome);
        let (stored, received, outcome) = tokio::join!(vault, received, outcome);
        stored?;
        received?;
        match outcome {
            Ok(()) => Ok(self.done(Fate::Recorded).await),
            Err(error) => {
                tracing::warn!(%lead, %error, "outcome not recorded: the fold will end the lead");
                Ok(Answer::Pending)
            }
        }
    }
}
