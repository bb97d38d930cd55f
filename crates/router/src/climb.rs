//! The climb: runs a [`PostLadder`]. The only place that holds caps for a lead, records what happens
//! to it and posts it to buyers.

use std::sync::Arc;
use std::time::Duration;

use auction::{
    CallEnd, Climb, Context, Ended, Facts, Fate, LadderEffect, LadderInput, LadderRecord, LegReply,
    PostLadder, PostReply, Rung, Slot, Sold, Unsent,
};
use buyer::{PingHead, PostAnswer, PostHead};
use bytes::Bytes;
use callout::{ConnectError, ExchangeError};
use domain::{BuyerKey, BuyerPingId, Consent, FullLead, LeadReason, Micros, ReservationId, Usage};
use proto::{LeadBody, Received};
use store::{
    Backend, Caps, Claims, Held, LeadKey, LogError, Pinned, PostingClaim, SealError, StoreError,
};

use crate::Router;
use crate::answer::{self, About, Told};
use crate::gate::Pass;
use crate::lead::{Answer, BeginError, Job};
use crate::pinging::{Pinging, beside};
use crate::records::{self, OutcomeFacts, Statuses};
use crate::round::Source;

/// How often, and how far apart, an outcome is offered to a log whose queue is full.
const OUTCOME_TRIES: u32 = 8;
const OUTCOME_PAUSE: Duration = Duration::from_millis(250);

/// The part of a climb that performs effects.
pub(crate) struct Climber<'a, B: Backend> {
    pub(crate) router: &'a Router<B>,
    pub(crate) job: &'a Job,
    pub(crate) key: LeadKey,
    pub(crate) source: Source,
    /// The exact answer, built when the outcome is recorded.
    pub(crate) answer: Option<Bytes>,
    pub(crate) sealed: Vec<u8>,
    /// How long buyers' answers were awaited.
    pub(crate) awaited: Duration,
    /// Of the contract whose turn it is.
    pub(crate) pass: Option<Pass<'a>>,
    pub(crate) statuses: Statuses,
}

impl<'a, B: Backend> Climber<'a, B> {
    pub(crate) fn received(&self, facts: &Facts, context: &Context) -> Result<LeadBody, SealError> {
        let job = self.job;
        let clear = sealed_lead(&job.fields, job.consent.as_ref());
        // A lead that never comes to the book is no earlier lead of anybody.
        let known = match job.known.away {
            None => job
                .consumer
                .hashes
                .iter()
                .map(|hash| hash.to_vec())
                .collect(),
            Some(_) => Vec::new(),
        };
        let open = job
            .fields
            .ping
            .iter()
            .filter(|(_, class, _)| *class == domain::FieldClass::Open);
        Ok(LeadBody::Received(Received {
            campaign: job.stall.campaign.name.to_string(),
            publisher: job.publisher.to_string(),
            claim: Some(job.claim.clone()),
            auction: job
                .quote
                .as_ref()
                .map_or(Vec::new(), |quote| quote.auction.as_bytes().to_vec()),
            generation: job.market.snapshot.generation.clone(),
            seed: job.seed,
            test: job.control.test,
            tmax_ms: u32::try_from(job.tmax.as_millis()).unwrap_or(u32::MAX),
            click_id: job
                .click
                .map_or(Vec::new(), |click| click.as_bytes().to_vec()),
            sub: job.control.sub.clone(),
            publisher_lead_id: job.control.publisher_lead_id.clone().unwrap_or_default(),
            open_fields: open
                .map(|(name, _, value)| (name.to_string(), value.to_string()))
                .collect(),
            sealed: self
                .key
                .seal(job.lead, self.router.entropy.as_ref(), &clear)?,
            facts: Some(records::facts(facts, &job.stall.campaign.book)),
            consumers: known,
            remembered_us: i64::try_from(job.consumer.remembered.as_micros()).unwrap_or(i64::MAX),
            barred: records::barred(&job.known.consumer),
            judged: Some(records::judged(context, job.min_payout())),
            promised: job
                .quote
                .as_ref()
                .map(|quote| records::promised(&quote.promise, &quote.rungs)),
        }))
    }

    pub(crate) fn climb(
        &self,
        context: Context,
        rungs: Vec<Rung>,
        min_payout: Micros,
        quote: Option<auction::Quote>,
    ) -> Climb {
        let job = self.job;
        let now = self.router.clock.mono();
        Climb {
            lead: job.lead,
            fields: Arc::clone(&job.fields),
            book: Arc::clone(&job.stall.campaign.book),
            rules: job.rules.clone(),
            context: Context {
                wall: job.wall.plus(now.since(job.started)),
                ..context
            },
            rungs,
            quote,
            min_payout,
            waterfall: auction::Waterfall::default(),
            more: false,
            now,
            deadline: job.deadline,
            last_post: job.rules.last_post(job.started, job.deadline),
        }
    }

    /// Performs effects until the ladder is done.
    pub(crate) async fn run(
        &mut self,
        mut ladder: PostLadder,
        mut pinging: Option<Pinging<'_>>,
        admitted: impl Future<Output = Result<(), BeginError>>,
    ) -> Result<Answer, BeginError> {
        let clock = &self.router.clock;
        let mut admitted = Some(admitted);
        loop {
            let Some(effect) = ladder.poll() else {
                let Some(rest) = &mut pinging else {
                    return Ok(Answer::Pending);
                };
                let since = clock.mono();
                rest.step().await;
                self.awaited += clock.mono().since(since);
                self.join(&mut pinging, &mut ladder);
                continue;
            };
            let input = match effect {
                LadderEffect::Hold {
                    slot,
                    reservation,
                    until,
                } => {
                    let id = reservation.id;
                    // Who had its turn before does not have it any more.
                    self.pass = None;
                    match self.job.stall.gates.post(clock.mono(), slot) {
                        Ok(pass) => self.pass = pass,
                        Err(shut) => {
                            ladder.on(clock.mono(), LadderInput::Shut(id, shut));
                            continue;
                        }
                    }
                    match self.caps().hold(&reservation, clock.wall(), until).await {
                        Ok(Held::Granted) => LadderInput::Held(id),
                        Ok(Held::Full(limit)) => LadderInput::HoldFull(id, limit),
                        Ok(Held::ClockSkew) => LadderInput::HoldFailed(id),
                        Err(error) => {
                            tracing::warn!(lead = %self.job.lead, %error, "hold failed");
                            LadderInput::HoldFailed(id)
                        }
                    }
                }
                LadderEffect::Pin { id, first } => match self.pin(id, first).await {
                    Ok(input) => input,
                    Err(error) => {
                        tracing::warn!(lead = %self.job.lead, %error, "pin failed");
                        LadderInput::PinFailed(id)
                    }
                },
                LadderEffect::Record { n, record } => {
                    let recorded = self.record(n, &record);
                    let result = match admitted.take() {
                        Some(admitted) => {
                            let both = async { tokio::join!(admitted, recorded) };
                            let (admitted, recorded) = beside(&mut pinging, both).await;
                            // Without `received` nothing of this lead exists: let it come again.
                            admitted?;
                            recorded
                        }
                        None => beside(&mut pinging, recorded).await,
                    };
                    let result = match (result, &record) {
                        (Err(error), LadderRecord::Outcome { .. }) => {
                            self.insist(n, &record, error).await
                        }
                        (result, _) => result,
                    };
                    match result {
                        Ok(()) => LadderInput::Recorded(n),
                        Err(error) => {
                            tracing::warn!(lead = %self.job.lead, n, %error, "record of a lead not taken");
                            LadderInput::RecordFailed(n)
                        }
                    }
                }
                LadderEffect::Post {
                    leg,
                    slot,
                    key,
                    price,
                    bid_id,
                    until,
                } => {
                    let started = clock.mono();
                    let call = self.post_to(slot, key, price, bid_id.as_deref());
                    let call = tokio::time::timeout(until.since(started), call);
                    let (input, end) = match beside(&mut pinging, call).await {
                        Ok(Posted { reply, status, end }) => {
                            if let Some(status) = status {
                                self.statuses.posts.insert(leg, status);
                            }
                            (LadderInput::Reply { leg, reply }, end)
                        }
                        Err(_) => (LadderInput::Tick, Some(CallEnd::Failed)),
                    };
                    if let (Some(pass), Some(end)) = (self.pass.take(), end) {
                        pass.ended(end);
                    }
                    self.awaited += clock.mono().since(started);
                    self.join(&mut pinging, &mut ladder);
                    // A timer may be early by its own grain; the machine goes by the clock.
                    if matches!(input, LadderInput::Tick) {
                        ladder.on(clock.mono().max(until), input);
                        continue;
                    }
                    input
                }
                LadderEffect::Commit(reservation) => {
                    self.settled(self.caps().settle(&reservation, Usage::Sold).await);
                    continue;
                }
                LadderEffect::Release(reservation, usage) => {
                    // Not `settle`: what the fold has settled meanwhile stays as it is.
                    self.settled(self.caps().release(reservation.id, usage).await);
                    continue;
                }
                // Every wait of this loop is inside an effect, so there is nothing to be woken for.
                LadderEffect::WakeAt(_) => continue,
                LadderEffect::Done(fate) => return Ok(self.done(fate).await),
            };
            self.join(&mut pinging, &mut ladder);
            ladder.on(clock.mono(), input);
        }
    }

    /// Lets bids that came meanwhile join the ladder, before it decides who comes next.
    fn join(&mut self, pinging: &mut Option<Pinging<'_>>, ladder: &mut PostLadder) {
        if let Some((joined, statuses)) = pinging.as_mut().and_then(Pinging::news) {
            self.statuses.pings = statuses;
            ladder.on(self.router.clock.mono(), joined);
        }
    }

    fn caps(&self) -> &B::Caps {
        self.router.backend.caps()
    }

    /// The fold ends a reservation in any case; this only frees it sooner.
    fn settled(&self, result: Result<(), StoreError>) {
        if let Err(error) = result {
            tracing::warn!(lead = %self.job.lead, %error, "reservation not settled at once");
        }
    }

    /// The first pin of a lead carries its claim's move to `posting`.
    async fn pin(&self, id: ReservationId, first: bool) -> Result<LadderInput, StoreError> {
        if first {
            match self.router.backend.claims().posting(self.job.lead).await? {
                PostingClaim::Yours => {}
                PostingClaim::Lost => return Ok(LadderInput::ClaimLost),
            }
        }
        let pinned = self.caps().pin(id, self.router.clock.wall()).await?;
        Ok(match pinned {
            Pinned::Pinned => LadderInput::Pinned(id),
            Pinned::Expired => LadderInput::PinExpired(id),
        })
    }

    fn record(
        &mut self,
        n: u32,
        record: &LadderRecord,
    ) -> impl Future<Output = Result<(), LogError>> + Send + use<'a, B> {
        let job = self.job;
        let router = self.router;
        let body = match record {
            LadderRecord::Posting { .. } => records::posting(
                record,
                &job.stall.campaign.book,
                job.rules.currency,
                &self.statuses,
            ),
            LadderRecord::Outcome { ended, replies } => Some(self.outcome(ended, replies)),
        };
        let appended = body.map(|body| router.append_lead(job.lead, n, body));
        async move {
            match appended {
                Some(appended) => appended.await,
                None => Err(LogError::Unavailable("a contract left the book".to_owned())),
            }
        }
    }

    pub(crate) fn outcome(&mut self, ended: &Ended, replies: &[LegReply]) -> LeadBody {
        let job = self.job;
        if let Some(sold) = ended.sold.as_ref().filter(|_| self.answer.is_none()) {
            self.odd(sold);
        }
        let took = self.router.clock.mono().since(job.started);
        if ended.status.is_final() && self.answer.is_none() {
            let told = match (&ended.sold, ended.reason) {
                (Some(sold), _) => Told::Sold {
                    leg: sold.leg,
                    payout: sold.payout,
                    redirect_url: sold.redirect_url.as_deref(),
                },
                (None, reason) => {
                    let reason = reason.unwrap_or(LeadReason::LadderEnded);
                    Told::Not(ended.status, reason, Some(&ended.waterfall))
                }
            };
            let answer = answer::post(self.about(took), told);
            match self
                .key
                .seal(job.lead, self.router.entropy.as_ref(), &answer)
            {
                Ok(sealed) => {
                    self.sealed = sealed;
                    self.answer = Some(answer);
                }
                Err(error) => tracing::error!(lead = %job.lead, %error, "answer not sealed"),
            }
        }
        let facts = OutcomeFacts {
            sealed_answer: self.sealed.clone(),
            took,
        };
        records::outcome(ended, replies, facts, &self.statuses)
    }

    /// Says and counts what is odd about a sale.
    fn odd(&self, sold: &Sold) {
        for flag in &sold.flags {
            let router = self.router;
            let flag = flag.as_str();
            router.metrics.count(telemetry::AUCTION_ODD_SALES, [flag]);
            let (lead, leg) = (self.job.lead, sold.leg);
            let (price, payout) = (sold.price, sold.payout);
            if sold.price < sold.payout {
                tracing::warn!(%lead, leg, flag, %price, %payout, "sold below what it costs");
            } else {
                tracing::debug!(%lead, leg, flag, %price, %payout, "an odd sale");
            }
        }
    }

    fn about(&self, took: Duration) -> About<'_> {
        let job = self.job;
        About {
            lead: job.lead,
            publisher_lead_id: job.control.publisher_lead_id.as_deref(),
            currency: job.rules.currency,
            disclosure: job.stall.campaign.disclosure,
            test: job.control.test,
            warnings: &job.warnings,
            took,
            request_id: &job.request_id,
        }
    }

    /// An outcome is worth waiting for: a full queue drains, and only a closed log says no for good.
    async fn insist(
        &mut self,
        n: u32,
        record: &LadderRecord,
        first: LogError,
    ) -> Result<(), LogError> {
        let mut last = first;
        for _ in 0..OUTCOME_TRIES {
            if matches!(last, LogError::TooLarge | LogError::Unavailable(_)) {
                break;
            }
            tokio::time::sleep(OUTCOME_PAUSE).await;
            match self.record(n, record).await {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn post_to(
        &self,
        slot: Slot,
        key: BuyerKey,
        price: Micros,
        bid_id: Option<&str>,
    ) -> Posted {
        let job = self.job;
        let campaign = &job.stall.campaign;
        let (Some(terms), Some(delivery), Some(callees)) = (
            campaign.book.get(slot),
            job.stall.delivery(slot),
            job.stall.callees(slot),
        ) else {
            return Posted {
                reply: PostReply::NotSent(Unsent::Failed),
                status: None,
                end: None,
            };
        };
        let head = PostHead {
            ping: PingHead {
                ping_id: BuyerPingId::mint(job.wall, self.router.entropy.as_ref()),
                campaign: &campaign.name,
                contract: &terms.contract,
                tmax: terms.post_timeout,
                currency: job.rules.currency,
                test: job.control.test,
                already_sold: job.control.already_sold,
                source: self.source.view(),
            },
            lead_id: job.lead,
            bid_id,
            idempotency_key: key,
            price,
            consent: job.consent.as_ref(),
        };
        let body = buyer::build_post(&head, &job.fields);
        let target = callees.post.target();
        let exchanged = match target.pool.place().await {
            Ok(place) => callout::post(place, &target, body.into()).await,
            Err(busy) => Err(busy.into()),
        };
        // All connections are ours: that none is free says nothing of the buyer.
        let called = !matches!(exchanged, Err(ExchangeError::NotSent(ConnectError::Busy)));
        let status = exchanged.as_ref().ok().map(|answer| answer.status.as_u16());
        let reply = match exchanged {
            Ok(answer) => {
                match buyer::parse_post(answer.status.as_u16(), &answer.body, &delivery.not_taken) {
                    PostAnswer::Accepted {
                        reference,
                        price,
                        redirect_url,
                    } => PostReply::Accepted {
                        reference,
                        price,
                        redirect_url,
                    },
                    PostAnswer::Rejected { .. } => PostReply::Rejected,
                    PostAnswer::Throttled => PostReply::Throttled,
                    PostAnswer::Duplicate => PostReply::Duplicate,
                    PostAnswer::Pending { settle_by } => PostReply::Pending { settle_by },
                    PostAnswer::Unclear(why) => {
                        tracing::info!(lead = %job.lead, contract = %terms.contract, ?why, "post unclear");
                        PostReply::Unclear
                    }
                }
            }
            Err(ExchangeError::NotSent(error)) => {
                tracing::debug!(lead = %job.lead, contract = %terms.contract, %error, "post not sent");
                PostReply::NotSent(match error {
                    ConnectError::Busy | ConnectError::TimedOut => Unsent::TimedOut,
                    ConnectError::Io(_) | ConnectError::Http(_) | ConnectError::Closed => {
                        Unsent::Failed
                    }
                })
            }
            Err(error) => {
                tracing::info!(lead = %job.lead, contract = %terms.contract, %error, "post unclear");
                PostReply::Unclear
            }
        };
        let rejected = match &reply {
            PostReply::Accepted { .. } => Some(false),
            PostReply::Rejected | PostReply::Duplicate => Some(true),
            _ => None,
        };
        if let Some(rejected) = rejected {
            let now = self.router.clock.wall();
            job.stall.histories.answered(slot, now, rejected);
        }
        let end = match &reply {
            PostReply::Unclear | PostReply::NotSent(_) => CallEnd::Failed,
            _ => CallEnd::Answered,
        };
        Posted {
            reply,
            status,
            end: called.then_some(end),
        }
    }

    pub(crate) async fn done(&mut self, fate: Fate) -> Answer {
        match (fate, self.answer.take()) {
            (Fate::Recorded, Some(answer)) => {
                let sealed = std::mem::take(&mut self.sealed);
                let told = self
                    .router
                    .backend
                    .claims()
                    .answered(self.job.lead, sealed.into())
                    .await;
                if let Err(error) = told {
                    tracing::warn!(lead = %self.job.lead, %error, "answer not kept: the fold will");
                }
                Answer::Final(answer)
            }
            (Fate::Recorded | Fate::Unrecorded | Fate::Lost, _) => Answer::Pending,
        }
    }
}

/// How a post ended.
struct Posted {
    reply: PostReply,
    status: Option<u16>,
    /// What its breaker is told.
    end: Option<CallEnd>,
}

/// All of a lead's fields as JSON, and its consent: what is sealed.
pub(crate) fn sealed_lead(lead: &FullLead, consent: Option<&Consent>) -> Vec<u8> {
    let value = |value: &domain::FieldValue| match value {
        domain::FieldValue::Text(text) => serde_json::Value::from(text.as_str()),
        domain::FieldValue::Int(number) => (*number).into(),
        domain::FieldValue::Bool(yes) => (*yes).into(),
    };
    let ping = lead
        .ping
        .iter()
        .map(|(name, _, field)| (name.to_string(), value(field)));
    let contact = lead
        .contact
        .iter()
        .map(|(name, field)| (name.to_string(), value(field)));
    // No field has a name with an `@`.
    let consent = consent.map(|it| ("@consent".to_owned(), buyer::consent_json(it)));
    let all: serde_json::Map<String, serde_json::Value> =
        ping.chain(contact).chain(consent).collect();
    serde_json::to_vec(&all).unwrap_or_default()
}
