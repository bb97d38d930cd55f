//! `POST /v1/campaigns/{campaign}/post`: the whole lead, with the quote it uses or without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use auction::{Promise, Rung};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use domain::{
    AuctionId, CampaignName, Consent, FieldName, LeadId, LeadReason, Micros, Mono, PublisherName,
    Timestamp,
};
use intake::{Body, ConsentRule, Issue, IssueCode, PostRequest};
use proto::{Claim, Quote};
use store::{Admission, AdmitRequest, Backend, ClaimKey, Claims, Digest, LeadView, Lookup};
use tokio::sync::oneshot;

use crate::Router;
use crate::answer::{self, About};
use crate::attempt::Attempt;
use crate::away::Brought;
use crate::call::{Caller, Endpoint, claim_key, digest, sent_key};
use crate::lead::{Answer, IN_PROGRESS, Job, Used};
use crate::refusal::Refused;

impl<B: Backend> Router<B> {
    /// Answers a post.
    pub(crate) async fn post(
        self: &Arc<Self>,
        caller: Caller,
        key: Option<&str>,
        bytes: &[u8],
        attempt: &mut Attempt,
    ) -> Result<Bytes, Refused> {
        let body = Body::read(bytes, &intake::Limits::default())?;
        attempt.read(&body);
        let digest = digest(&body);
        let quote = body
            .text("ping_id")
            .map(|text| self.open_quote(&caller, text))
            .transpose();
        let key = match (sent_key(key, &body)?, &quote) {
            (Some(key), _) => key.to_owned(),
            // A quote can be used once, so its auction is a key by itself.
            (None, Ok(Some((auction, _)))) => auction.to_string(),
            (None, _) => format!("sha256:{}", HEXLOWER.encode(&digest)),
        };
        let claim = {
            let campaign = &caller.stall.campaign.name;
            claim_key(&caller.publisher, campaign, Endpoint::Post, &key)
        };
        let known = match self.backend.claims().lookup(&claim, &digest).await? {
            Lookup::Free => false,
            Lookup::Conflict | Lookup::Quote(_) => return Err(Refused::IdempotencyConflict),
            Lookup::Lead(view) => {
                attempt.lead(view.lead);
                match self.final_answer(&view, &caller.request_id).await? {
                    Some(answer) => return Ok(answer),
                    None => true,
                }
            }
        };
        let request = intake::parse_post(&caller.stall.campaign.form, &body)?;
        let quote = quote?
            .map(|(auction, quote)| self.check_quote(&caller, &request, auction, quote, known));
        self.admit(
            caller,
            request,
            quote.transpose()?,
            (claim, digest),
            attempt,
        )
        .await
    }

    fn open_quote(&self, caller: &Caller, text: &str) -> Result<(AuctionId, Quote), Refused> {
        self.quote_of(&caller.publisher, &caller.stall.campaign.name, text)
    }

    /// The auction and the quote that a `ping_id` holds.
    pub(crate) fn quote_of(
        &self,
        publisher: &PublisherName,
        campaign: &CampaignName,
        text: &str,
    ) -> Result<(AuctionId, Quote), Refused> {
        let opened = self.quotes.open(text, publisher, campaign);
        let quote = opened.map_err(|_| Refused::PingUnknown)?;
        let auction = quote
            .auction
            .as_slice()
            .try_into()
            .map_err(|_| Refused::PingUnknown)?;
        Ok((AuctionId::from_bytes(auction), quote))
    }

    /// Whether the post keeps to its quote. `known`: the same post came before, in time.
    fn check_quote(
        &self,
        caller: &Caller,
        request: &PostRequest,
        auction: AuctionId,
        quote: Quote,
        known: bool,
    ) -> Result<Used, Refused> {
        if !known && caller.wall >= Timestamp::from_micros(quote.expires_at_us) {
            return Err(Refused::PingExpired);
        }
        let now = self.locked(&caller.stall, &request.lead.ping);
        let mut changed: Vec<Issue> = quote
            .locked
            .iter()
            .filter(|(name, hash)| now.get(*name) != Some(hash))
            .map(|(name, _)| mismatch(format!("/lead/{name}")))
            .collect();
        for unlike in &request.unlike {
            if !changed.iter().any(|issue| issue.pointer == unlike.pointer) {
                changed.push(unlike.clone());
            }
        }
        if quote.test != request.control.test {
            changed.push(mismatch("/test".to_owned()));
        }
        if !changed.is_empty() {
            return Err(Refused::PingMismatch(changed));
        }
        let rungs: Option<Vec<Rung>> = quote.rungs.iter().map(rung).collect();
        let promise = promise(quote.payout_micros, quote.promise, quote.min_margin_micros);
        Ok(Used {
            auction,
            promise: promise.ok_or(Refused::PingUnknown)?,
            min_payout: Micros::new(quote.min_payout_micros),
            rungs: rungs.ok_or(Refused::PingUnknown)?,
        })
    }

    /// Says all that is wrong with a post, or that nothing is; nothing is sold and nothing is kept.
    pub(crate) fn validate(
        caller: &Caller,
        key: Option<&str>,
        bytes: &[u8],
    ) -> Result<Bytes, Refused> {
        let body = Body::read(bytes, &intake::Limits::default())?;
        sent_key(key, &body)?;
        let request = intake::parse_post(&caller.stall.campaign.form, &body)?;
        match request.unlike.is_empty() {
            true => Ok(answer::valid(&request.warnings, &caller.request_id)),
            false => Err(Refused::Invalid(request.unlike)),
        }
    }

    async fn admit(
        self: &Arc<Self>,
        caller: Caller,
        request: PostRequest,
        quote: Option<Used>,
        (claim, digest): (ClaimKey, Digest),
        attempt: &mut Attempt,
    ) -> Result<Bytes, Refused> {
        let (tmax, deadline) = Self::deadline(&caller, &request.control);
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Refused::Unavailable("too many leads at once"))?;
        let stall = Arc::clone(&caller.stall);
        let values = |name: &FieldName| request.lead.get(name.as_str());
        let consumer = self.consumer_claim(
            &stall.campaign,
            &caller.publisher,
            request.control.test,
            values,
        );
        let stocked = self.stocked();
        let admission = AdmitRequest {
            lead: match &stocked {
                Some(stocked) => stocked.lead,
                None => LeadId::mint(caller.wall, self.entropy.as_ref()),
            },
            key: claim.clone(),
            digest,
            quote: quote.as_ref().map(|quote| quote.auction),
            consumer,
            lease: caller
                .rules
                .last_post(caller.started, deadline)
                .since(caller.started)
                + self.lease,
            now: caller.wall,
        };
        let consumer = admission.consumer.clone();
        let admitted = self.fence(admission, deadline).await?;
        let key = self.stock.key(stocked, admitted.lead());
        let (lead, duplicate) = match admitted {
            Admission::Granted(lead) => (lead, false),
            Admission::Duplicate(lead) => (lead, true),
            Admission::Conflict => return Err(Refused::IdempotencyConflict),
            Admission::QuoteUsed => return Err(Refused::PingUsed),
            Admission::QuoteVoid => return Err(Refused::PingExpired),
            Admission::Held(view) => {
                attempt.lead(view.lead);
                drop(place);
                return self.held(&caller, &request, view, deadline).await;
            }
            Admission::Busy(_) => return Err(Refused::Unavailable("too many waits")),
        };
        attempt.lead(lead);
        let now = self.clock.wall();
        let consented = request.consent.as_ref().is_some_and(Consent::is_whole);
        let known = self.known(
            &stall.campaign,
            &consumer,
            Some(lead),
            consented,
            now,
            values,
        );
        let mut known = known.await?;
        // The fence has judged duplicates, in the step that claimed everything else.
        known.away = match known.away {
            Some(LeadReason::Duplicate) | None => duplicate.then_some(LeadReason::Duplicate),
            other => other,
        };
        let brought = Brought {
            sub: &request.control.sub,
            test: request.control.test,
            consent: consented || stall.campaign.form.consent == ConsentRule::None,
        };
        let known = self.judge(&caller, brought, known, now).await?;
        let PostRequest {
            control,
            lead: fields,
            consent,
            warnings,
            ..
        } = request;
        let pending = About {
            lead,
            publisher_lead_id: control.publisher_lead_id.as_deref(),
            currency: caller.rules.currency,
            disclosure: caller.stall.campaign.disclosure,
            test: control.test,
            warnings: &warnings,
            took: tmax,
            request_id: &caller.request_id,
        };
        let pending = answer::post(pending, IN_PROGRESS);
        let recorded = Arc::new(AtomicBool::new(false));
        let job = Job {
            lead,
            key,
            click: self.click(&control),
            stall: caller.stall,
            rules: caller.rules,
            market: caller.market,
            publisher: caller.publisher,
            control,
            fields: Arc::new(fields),
            consent,
            consumer,
            known,
            quote,
            claim: Claim {
                key: claim.0,
                digest: digest.to_vec(),
            },
            warnings,
            request_id: caller.request_id,
            wall: caller.wall,
            started: caller.started,
            deadline,
            tmax,
            seed: self.entropy.next_u64(),
            recorded: Arc::clone(&recorded),
        };
        let (told, answer) = oneshot::channel();
        let router = Arc::clone(self);
        let work = async move {
            let lead = router.stopped.run_until_cancelled(router.run_lead(job));
            if let Some(answer) = lead.await {
                // Nobody may listen any more: the lead went on all the same.
                let _ = told.send(answer);
            }
            drop(place);
        };
        self.tasks.spawn_on(work, &self.runtime);
        let left = deadline.since(self.clock.mono());
        match tokio::time::timeout(left, answer).await {
            Ok(Ok(Answer::Final(answer))) => Ok(answer),
            Ok(Ok(Answer::Refused(why))) => Err(Refused::Unavailable(why)),
            Ok(Ok(Answer::Pending)) => Ok(pending),
            Ok(Err(_)) | Err(_) if recorded.load(Ordering::Acquire) => Ok(pending),
            // It may still be, or not: with the same key it is told.
            Ok(Err(_)) | Err(_) => Err(Refused::Unavailable("the lead is not recorded yet")),
        }
    }

    /// Asks to be admitted; while a lead of the same consumer is in flight it waits for that one's end,
    /// inside its own deadline. At the deadline such a lead counts as pending.
    async fn fence(
        &self,
        mut admission: AdmitRequest,
        deadline: Mono,
    ) -> Result<Admission, Refused> {
        let claims = self.backend.claims();
        loop {
            let busy = match claims.admit(admission.clone()).await? {
                Admission::Busy(view) => view,
                other => return Ok(other),
            };
            let applied = |view: &LeadView| view.state.as_ref().map_or(0, |state| state.applied);
            let left = deadline.since(self.clock.mono());
            let before = applied(&busy);
            let news = match claims.changed(&busy, left).await? {
                // It was withdrawn, or forgotten: it is in nobody's way.
                None => true,
                Some(view) => applied(&view) > before || busy.answer.is_none(),
            };
            // Who cannot wait any longer, or may not, takes it for what it is.
            let over = deadline.since(self.clock.mono()).is_zero();
            admission.consumer.patient = news && !over;
        }
    }

    /// The lead is somebody else's: wait for its answer inside one's own deadline.
    async fn held(
        &self,
        caller: &Caller,
        request: &PostRequest,
        view: LeadView,
        deadline: Mono,
    ) -> Result<Bytes, Refused> {
        let lead = view.lead;
        if let Some(answer) = self.wait_for(view, deadline, &caller.request_id).await? {
            return Ok(answer);
        }
        let about = About {
            lead,
            publisher_lead_id: request.control.publisher_lead_id.as_deref(),
            currency: caller.rules.currency,
            disclosure: caller.stall.campaign.disclosure,
            test: request.control.test,
            warnings: &request.warnings,
            took: self.clock.mono().since(caller.started),
            request_id: &caller.request_id,
        };
        Ok(answer::post(about, IN_PROGRESS))
    }
}

/// What the quote promises; none if this is no promise of ours.
pub(crate) fn promise(payout: i64, promise: u32, min_margin: i64) -> Option<auction::Quote> {
    Some(auction::Quote {
        payout: Micros::new(payout),
        promise: Promise::from_number(u8::try_from(promise).ok()?)?,
        min_margin: Micros::new(min_margin),
    })
}

fn mismatch(pointer: String) -> Issue {
    Issue {
        pointer,
        code: IssueCode::Conflict,
        message: "differs from the ping".into(),
    }
}

pub(crate) fn rung(rung: &proto::QuoteRung) -> Option<Rung> {
    Some(Rung {
        contract: rung.contract.parse().ok()?,
        price: Micros::new(rung.price_micros),
        payout: Micros::new(rung.payout_micros),
        bid_id: (!rung.bid_id.is_empty()).then(|| rung.bid_id.clone()),
        expires: (rung.expires_at_us != 0).then(|| Timestamp::from_micros(rung.expires_at_us)),
    })
}
