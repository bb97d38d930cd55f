//! Leads that the book does not run for: recorded whole, told at once, and never posted to anybody.

use std::future::Future;

use auction::{Ended, Facts, Fate, Waterfall};
use domain::{LeadReason, LeadStatus};
use store::{Backend, StoreError};

use crate::climb::Climber;
use crate::lead::{Answer, BeginError};

impl<B: Backend> Climber<'_, B> {
    /// Ends a lead before the book: `duplicate`, or `rejected` for any other reason. Both records
    /// leave together.
    pub(crate) async fn turn_away(
        &mut self,
        reason: LeadReason,
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
        let received = self.received(&Facts::default())?;
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
