//! `GET /v1/leads/{lead_id}`: a publisher's own lead, as its records are folded by now.

use std::time::Duration;

use bytes::Bytes;
use domain::{LeadId, PublisherName};
use store::{Backend, Claims};

use crate::refusal::Refused;
use crate::{Router, answer};

/// A lead that was just posted may not be folded yet: wait this long for it.
const FOLD: Duration = Duration::from_secs(2);

impl<B: Backend> Router<B> {
    /// The state of a lead, for its publisher.
    pub(crate) async fn lookup(
        &self,
        publisher: &PublisherName,
        lead: &str,
        request_id: &str,
    ) -> Result<Bytes, Refused> {
        const ABSENT: Refused = Refused::NotFound("no such lead");
        let lead: LeadId = lead.parse().map_err(|_| ABSENT)?;
        let mut view = self.backend.claims().lead(lead).await?.ok_or(ABSENT)?;
        let until = self.clock.mono().plus(FOLD);
        while view.state.is_none() {
            let left = until.since(self.clock.mono());
            if left.is_zero() {
                return Err(ABSENT);
            }
            view = self
                .backend
                .claims()
                .changed(&view, left)
                .await?
                .ok_or(ABSENT)?;
        }
        let state = view.state.ok_or(ABSENT)?;
        let owner = state
            .received
            .as_ref()
            .map(|received| received.publisher.as_str());
        if owner != Some(publisher.as_str()) {
            return Err(ABSENT);
        }
        Ok(answer::state(&state, request_id).map_err(store::StoreError::from)?)
    }
}
