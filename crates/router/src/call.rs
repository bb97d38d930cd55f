//! What pings and posts have in common: who calls, for which campaign, under which key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use auction::{Context, Rules};
use bytes::Bytes;
use catalog::Disclosure;
use domain::{
    CampaignName, ClickId, FieldValue, LeadId, Mono, PingFields, PublisherName, Timestamp,
};
use intake::{Body, Control, Exclusion};
use proto::LeadState;
use sha2::{Digest as _, Sha256};
use store::{Backend, ClaimKey, Claims, Digest, LeadView, Vault};

use crate::market::{Market, Stall};
use crate::refusal::Refused;
use crate::{Router, answer};

/// The longest idempotency key, in bytes.
const LONGEST_KEY: usize = 255;

/// A publisher's request, admitted to a campaign.
pub(crate) struct Caller {
    pub(crate) publisher: PublisherName,
    /// The generation it came under, which is its lead's to the end.
    pub(crate) market: Arc<Market>,
    pub(crate) stall: Arc<Stall>,
    pub(crate) rules: Rules,
    pub(crate) request_id: String,
    pub(crate) wall: Timestamp,
    pub(crate) started: Mono,
}

/// The two endpoints that keys belong to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Endpoint {
    Ping,
    Post,
}

impl<B: Backend> Router<B> {
    /// Admits a publisher to a campaign.
    pub(crate) fn caller(
        &self,
        market: &Arc<Market>,
        publisher: &PublisherName,
        campaign: &str,
        request_id: String,
    ) -> Result<Caller, Refused> {
        let stall = market
            .stall(campaign)
            .ok_or(Refused::NotFound("no such campaign"))?;
        let known = market.snapshot.publishers.get(publisher);
        if !known.is_some_and(|publisher| publisher.on) {
            return Err(Refused::Forbidden("the publisher is paused"));
        }
        if !stall.campaign.on {
            return Err(Refused::Forbidden("the campaign is paused"));
        }
        let rules = stall.campaign.rules_for(publisher);
        let rules = rules
            .ok_or(Refused::Forbidden(
                "the publisher is not allowed on this campaign",
            ))?
            .clone();
        Ok(Caller {
            publisher: publisher.clone(),
            market: Arc::clone(market),
            stall: Arc::clone(stall),
            rules,
            request_id,
            wall: self.clock.wall(),
            started: self.clock.mono(),
        })
    }

    /// How long the publisher waits, and until when.
    pub(crate) fn deadline(caller: &Caller, control: &Control) -> (Duration, Mono) {
        let tmax = caller.stall.campaign.tmax.of(control.tmax);
        (tmax, caller.started.plus(tmax))
    }

    /// What eligibility looks at beside the lead's fields.
    pub(crate) fn context(
        market: &Market,
        publisher: &PublisherName,
        control: &Control,
        wall: Timestamp,
    ) -> Context {
        let named = |exclusion: &Exclusion| match exclusion {
            Exclusion::Buyer(buyer) => Some(buyer.clone()),
            // A hash of nobody we know excludes nobody.
            Exclusion::Sha256(hash) => market.snapshot.buyer_by_hash(hash).cloned(),
        };
        Context {
            sub: Arc::new(control.sub.clone()),
            exclude: Arc::new(control.exclude.iter().filter_map(named).collect()),
            already_sold: control.already_sold,
            test: control.test,
            ..Context::new(publisher.clone(), wall)
        }
    }

    /// A click id that was sent, if it is one of ours; one that is not is no reason to lose a lead.
    pub(crate) fn click(&self, control: &Control) -> Option<ClickId> {
        control
            .click_id
            .as_deref()
            .and_then(|text| ClickId::parse(text, &self.tracking).ok())
    }

    /// The answer a lead has by now, if it is final.
    pub(crate) async fn final_answer(
        &self,
        view: &LeadView,
        request_id: &str,
    ) -> Result<Option<Bytes>, Refused> {
        let state = view.state.as_deref();
        let ended =
            state.is_some_and(|state| state.lead_status().is_ok_and(domain::LeadStatus::is_final));
        let stored = view.answer.as_deref().or_else(|| {
            let sealed = state.map(|state| state.sealed_answer.as_slice());
            sealed.filter(|sealed| ended && !sealed.is_empty())
        });
        if let Some(sealed) = stored
            && let Some(clear) = self.unseal(view.lead, sealed).await?
        {
            return Ok(Some(clear));
        }
        match state {
            Some(state) if ended => {
                let disclosure = self.disclosure(state);
                let told = answer::state(state, disclosure, None, request_id);
                Ok(Some(told.map_err(store::StoreError::from)?))
            }
            _ => Ok(None),
        }
    }

    /// What the campaign of a lead discloses to its publishers; nothing if it is no more.
    pub(crate) fn disclosure(&self, state: &LeadState) -> Disclosure {
        let received = state.received.as_ref();
        let campaign = received.map_or("", |received| &received.campaign);
        self.market.load().disclosure_of(campaign)
    }

    pub(crate) async fn unseal(
        &self,
        lead: LeadId,
        sealed: &[u8],
    ) -> Result<Option<Bytes>, Refused> {
        // An erased lead has no key any more: its answer is told from its state.
        let Some(wrapped) = self.backend.vault().get(lead).await? else {
            return Ok(None);
        };
        let opened = self
            .sealer
            .unwrap(lead, &wrapped)
            .and_then(|key| key.open(lead, sealed));
        match opened {
            Ok(clear) => Ok(Some(clear.into())),
            Err(error) => {
                tracing::error!(%lead, %error, "stored answer does not open");
                Ok(None)
            }
        }
    }

    /// Waits for somebody else's work on a lead, at most until `until`: its answer, or none if it goes on.
    ///
    /// # Errors
    /// There is no record of the lead: whoever admitted it may be gone, and nobody may be told that it is
    /// under way. Who comes again takes it over once that one's lease is over.
    pub(crate) async fn wait_for(
        &self,
        mut view: LeadView,
        until: Mono,
        request_id: &str,
    ) -> Result<Option<Bytes>, Refused> {
        loop {
            if let Some(answer) = self.final_answer(&view, request_id).await? {
                return Ok(Some(answer));
            }
            let left = until.since(self.clock.mono());
            let changed = match left.is_zero() {
                true => None,
                false => self.backend.claims().changed(&view, left).await?,
            };
            match changed {
                Some(changed) => view = changed,
                None if view.state.is_none() => {
                    return Err(Refused::Unavailable("the lead is not recorded yet"));
                }
                None => return Ok(None),
            }
        }
    }

    /// A 32-bit keyed hash of a field as received: what a quote locks.
    fn lock(&self, name: &str, value: &FieldValue) -> u32 {
        let hash = self
            .sealer
            .hash(&format!("locked/{name}"), value.to_string().as_bytes());
        let [a, b, c, d, ..] = hash;
        u32::from_le_bytes([a, b, c, d])
    }

    /// The ping fields that a post may not change, hashed.
    pub(crate) fn locked(&self, stall: &Stall, fields: &PingFields) -> BTreeMap<String, u32> {
        let schema = &stall.campaign.form.schema;
        let locked = |name: &str| schema.field(name).is_some_and(|field| field.locked);
        fields
            .iter()
            .filter(|(name, ..)| locked(name.as_str()))
            .map(|(name, _, value)| (name.to_string(), self.lock(name.as_str(), value)))
            .collect()
    }
}

/// The claim's key: publisher, campaign, endpoint and the caller's own key.
pub(crate) fn claim_key(
    publisher: &PublisherName,
    campaign: &CampaignName,
    endpoint: Endpoint,
    key: &str,
) -> ClaimKey {
    let endpoint = match endpoint {
        Endpoint::Ping => "ping",
        Endpoint::Post => "post",
    };
    ClaimKey(format!("{publisher}/{campaign}/{endpoint}/{key}"))
}

/// The key a caller sent, in the header or in the body.
pub(crate) fn sent_key<'a>(
    header: Option<&'a str>,
    body: &'a Body<'_>,
) -> Result<Option<&'a str>, Refused> {
    let key = header.or_else(|| body.text("request_id"));
    match key {
        Some(key)
            if key.is_empty() || key.len() > LONGEST_KEY || key.chars().any(char::is_control) =>
        {
            Err(Refused::Malformed(
                "an idempotency key has 1 to 255 printable characters".to_owned(),
            ))
        }
        key => Ok(key),
    }
}

/// SHA-256 over the canonical form of a body.
pub(crate) fn digest(body: &Body<'_>) -> Digest {
    Sha256::digest(body.canonical()).into()
}
