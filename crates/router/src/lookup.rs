//! `GET /v1/leads/{lead_id}`, and `GET /v1/leads?idempotency_key=..` or `?ping_id=..`: a publisher's own
//! lead, as its records are folded by now. `campaign=..` says where the key or the quote belongs to.
//!
//! `?publisher_lead_id=..` is another matter: publishers use one name for several leads, and state knows
//! none of them. It is looked for among the rows of analysts, so it is about a second late, and answered
//! with a list.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use catalog::Disclosure;
use domain::{LeadId, LeadStatus, PublisherName};
use proto::LeadState;
use store::{Backend, Claims, LeadView};

use crate::call::{Endpoint, claim_key};
use crate::refusal::Refused;
use crate::{Router, answer};

/// A lead that was just posted may not be folded yet: wait this long for it.
const FOLD: Duration = Duration::from_secs(2);

/// So many leads of one name are told: who uses one for more has no use for all of them.
const MOST_NAMED: u32 = 20;
/// A search that takes longer is given up: it is worth no more of ClickHouse's time.
const SEARCH: Duration = Duration::from_secs(3);

/// What a lead is asked for by.
pub(crate) enum By<'a> {
    /// The key of its post.
    Key(&'a str),
    /// The quote it used.
    Ping(&'a str),
}

pub(crate) const ABSENT: Refused = Refused::NotFound("no such lead");

/// Whether the fold has come as far as the publisher has heard: who was told `sold` is not told `pending`.
fn folded(view: &LeadView) -> bool {
    let state = view.state.as_deref();
    let ended = state.and_then(|state| state.lead_status().ok());
    state.is_some() && (view.answer.is_none() || ended.is_none_or(LeadStatus::is_final))
}

impl<B: Backend> Router<B> {
    /// The state of a lead that is asked for otherwise than by its id.
    pub(crate) async fn find(
        &self,
        publisher: &PublisherName,
        campaign: Option<&str>,
        by: By<'_>,
        request_id: &str,
    ) -> Result<Bytes, Refused> {
        let market = self.market.load_full();
        let campaigns = market.snapshot.campaigns.keys();
        let asked = campaigns.filter(|name| campaign.is_none_or(|it| it == name.as_str()));
        let mut found = BTreeSet::new();
        for name in asked {
            let lead = match by {
                By::Key(key) => {
                    let key = claim_key(publisher, name, Endpoint::Post, key);
                    self.backend.claims().by_key(&key).await?
                }
                By::Ping(text) => match self.quote_of(publisher, name, text) {
                    Ok((auction, _)) => self.backend.claims().by_quote(auction).await?,
                    Err(_) => None,
                },
            };
            found.extend(lead);
        }
        let lead = found.pop_first().ok_or(ABSENT)?;
        if !found.is_empty() {
            let why = "the key was used on several campaigns: name one with `campaign`";
            return Err(Refused::Malformed(why.to_owned()));
        }
        self.state_of(publisher, lead, request_id).await
    }

    /// The leads that their publisher gave this name.
    pub(crate) async fn named(
        &self,
        publisher: &PublisherName,
        campaign: Option<&str>,
        name: &str,
        request_id: &str,
    ) -> Result<Bytes, Refused> {
        if name.is_empty() || intake::publisher_lead_id_of(name).is_none() {
            let why = "a publisher_lead_id has 1 to 128 characters and no control characters";
            return Err(Refused::Malformed(why.to_owned()));
        }
        let finding = self.finder.named(publisher, name, MOST_NAMED);
        let found = match tokio::time::timeout(SEARCH, finding).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a lead cannot be looked for");
                return Err(Refused::Unavailable("leads cannot be searched now"));
            }
            Err(_) => return Err(Refused::Unavailable("the search took too long")),
        };
        let asked = found
            .iter()
            .filter(|lead| campaign.is_none_or(|name| name == lead.campaign));
        let market = self.market.load();
        let leads: Vec<_> = asked
            .map(|lead| answer::found(lead, name, market.disclosure_of(&lead.campaign)))
            .collect();
        match leads.is_empty() {
            true => Err(ABSENT),
            false => Ok(answer::leads(leads, request_id)),
        }
    }

    /// The state of a lead, for its publisher.
    pub(crate) async fn lookup(
        &self,
        publisher: &PublisherName,
        lead: &str,
        request_id: &str,
    ) -> Result<Bytes, Refused> {
        let lead: LeadId = lead.parse().map_err(|_| ABSENT)?;
        self.state_of(publisher, lead, request_id).await
    }

    /// A lead's state, as far as anybody was told of it.
    pub(crate) async fn folded_state(&self, lead: LeadId) -> Result<Arc<LeadState>, Refused> {
        let mut view = self.backend.claims().lead(lead).await?.ok_or(ABSENT)?;
        let until = self.clock.mono().plus(FOLD);
        while !folded(&view) {
            let left = until.since(self.clock.mono());
            if left.is_zero() {
                break;
            }
            view = self
                .backend
                .claims()
                .changed(&view, left)
                .await?
                .ok_or(ABSENT)?;
        }
        view.state.ok_or(ABSENT)
    }

    async fn state_of(
        &self,
        publisher: &PublisherName,
        lead: LeadId,
        request_id: &str,
    ) -> Result<Bytes, Refused> {
        let state = self.folded_state(lead).await?;
        let owner = state
            .received
            .as_ref()
            .map(|received| received.publisher.as_str());
        if owner != Some(publisher.as_str()) {
            return Err(ABSENT);
        }
        let disclosure = self.disclosure(&state);
        let stored = match disclosure {
            Disclosure::Full if !state.sealed_answer.is_empty() => {
                self.unseal(lead, &state.sealed_answer).await?
            }
            _ => None,
        };
        let told = answer::state(&state, disclosure, stored.as_deref(), request_id);
        Ok(told.map_err(store::StoreError::from)?)
    }
}
