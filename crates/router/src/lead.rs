//! One lead from admission to its outcome, in a task of its own: a publisher that hangs up cancels
//! nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use auction::{Context, Kind, LeadView, PostLadder, Rules, Rung};
use bytes::Bytes;
use domain::{
    AuctionId, ClickId, Consent, FullLead, LeadId, LeadReason, LeadStatus, Micros, Mono,
    PublisherName, Timestamp,
};
use futures_util::future::{Either, join, ready};
use intake::{Control, Issue};
use proto::{Claim, LeadBody, LeadRecord, Message};
use store::{
    Ack, Backend, Claims, ConsumerClaim, EventLog, LeadKey, LogError, SealError, StoreError, Topic,
    Vault,
};

use crate::Router;
use crate::answer::Told;
use crate::climb::Climber;
use crate::consumer::Known;
use crate::market::{Market, Stall};
use crate::records::Statuses;
use crate::round::{RoundOrder, Source};

/// A quote that a post uses, opened and checked.
pub(crate) struct Used {
    pub(crate) auction: AuctionId,
    pub(crate) promise: auction::Quote,
    pub(crate) min_payout: Micros,
    pub(crate) rungs: Vec<Rung>,
}

/// An admitted lead.
pub(crate) struct Job {
    pub(crate) lead: LeadId,
    /// What seals it, if that is in the vault.
    pub(crate) key: Option<LeadKey>,
    pub(crate) stall: Arc<Stall>,
    pub(crate) rules: Rules,
    pub(crate) market: Arc<Market>,
    pub(crate) publisher: PublisherName,
    pub(crate) control: Control,
    pub(crate) click: Option<ClickId>,
    pub(crate) fields: Arc<FullLead>,
    pub(crate) consent: Option<Consent>,
    /// What later leads of the same consumer find this one by.
    pub(crate) consumer: ConsumerClaim,
    pub(crate) known: Known,
    pub(crate) quote: Option<Used>,
    pub(crate) claim: Claim,
    pub(crate) warnings: Vec<Issue>,
    pub(crate) request_id: String,
    pub(crate) wall: Timestamp,
    pub(crate) started: Mono,
    pub(crate) deadline: Mono,
    pub(crate) tmax: Duration,
    pub(crate) seed: u64,
    /// Whether the lead is recorded: before that nobody may be told of it.
    pub(crate) recorded: Arc<AtomicBool>,
}

impl Job {
    /// The publisher takes no payout below this.
    pub(crate) fn min_payout(&self) -> Micros {
        let quoted = self.quote.as_ref().map(|quote| quote.min_payout);
        quoted.or(self.control.min_payout).unwrap_or(Micros::ZERO)
    }
}

/// What the connection that waits for a lead is told.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The final answer; its outcome is acknowledged.
    Final(Bytes),
    /// Not final, or not safe to promise: the lead's state answers from now on.
    Pending,
    /// Nothing of the lead was recorded: the publisher may come again.
    Refused(&'static str),
}

/// Why a lead cannot even begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<B: Backend> Router<B> {
    /// Takes an admitted lead to its outcome.
    pub(crate) async fn run_lead(&self, mut job: Job) -> Answer {
        let key = job.key.take();
        match self.begin(&job, key).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(lead = %job.lead, %error, "lead refused: it could not be recorded");
                if let Err(error) = self.backend.claims().withdraw(job.lead).await {
                    tracing::warn!(lead = %job.lead, %error, "claim not withdrawn: its lease will lapse");
                }
                Answer::Refused("the lead could not be recorded")
            }
        }
    }

    async fn begin(&self, job: &Job, key: Option<LeadKey>) -> Result<Answer, BeginError> {
        let (key, put) = match key {
            Some(key) => (key, None),
            None => {
                let (key, wrapped) = self.sealer.fresh(job.lead, self.entropy.as_ref())?;
                (key, Some(self.backend.vault().put(job.lead, wrapped)))
            }
        };
        let vault = async {
            match put {
                Some(put) => put.await,
                None => Ok(()),
            }
        };
        let context = Context {
            consumer: job.known.consumer.clone(),
            ..Self::context(&job.market, &job.publisher, &job.control, job.wall)
        };
        let mut climber = Climber {
            router: self,
            job,
            key,
            source: Source::of(self, job.publisher.as_str(), &job.control.sub),
            answer: None,
            sealed: Vec::new(),
            awaited: Duration::ZERO,
            pass: None,
            statuses: Statuses::default(),
        };
        if let Some(reason) = job.known.away {
            return climber.turn_away(reason, &context, vault).await;
        }
        // `received` is durable before the first post: it overlaps with the pings of a direct post, and where no
        // ping is out it is queued here and waited for with the first `posting`, which is one sync of both.
        let (order, source);
        let (climb, received, pinging) = match &job.quote {
            Some(quote) => {
                let received =
                    self.append_lead(job.lead, 0, climber.received(&job.known.facts, &context)?);
                (
                    climber.climb(
                        context,
                        quote.rungs.clone(),
                        quote.min_payout,
                        Some(quote.promise),
                    ),
                    Either::Left(received),
                    None,
                )
            }
            None => {
                let min_payout = job.min_payout();
                order = RoundOrder {
                    stall: &job.stall,
                    rules: &job.rules,
                    context: context.clone(),
                    lead: LeadView::Full(&job.fields),
                    fields: &job.fields.ping,
                    sub: &job.control.sub,
                    kind: Kind::Direct,
                    min_payout,
                    now: job.started,
                    deadline: job.deadline,
                };
                let (screened, facts, passes) = self.screen(&order).await?;
                let known = facts.clone();
                source = Source::new(self, &order);
                let mut pinging = self.ping_all(&order, &source, screened, facts, passes);
                let queue = || {
                    let received = climber.received(&known, &context)?;
                    Ok::<_, BeginError>(self.append_lead(job.lead, 0, received))
                };
                let received = if pinging.is_ready() {
                    Either::Left(queue()?)
                } else {
                    let answered = async {
                        while !pinging.is_ready() {
                            pinging.step().await;
                        }
                    };
                    let recorded = async {
                        // Buyers take longer than a sync does: their pings leave first.
                        tokio::task::yield_now().await;
                        Ok::<_, BeginError>(queue()?.await)
                    };
                    let ((), recorded) = join(answered, recorded).await;
                    Either::Right(ready(recorded?))
                };
                let (result, rest) = pinging.split();
                climber.awaited += result.awaited;
                climber.statuses.pings = result.statuses;
                let mut climb = climber.climb(context, result.round.rungs, min_payout, None);
                climb.waterfall = result.round.waterfall;
                climb.more = rest.is_some();
                (climb, received, rest)
            }
        };
        let admitted = async {
            let (stored, recorded) = tokio::join!(vault, received);
            stored?;
            recorded?;
            job.recorded.store(true, Ordering::Release);
            Ok::<_, BeginError>(())
        };
        let ladder = PostLadder::open(climb);
        let answer = climber.run(ladder, pinging, admitted).await?;
        let overhead = self
            .clock
            .mono()
            .since(job.started)
            .saturating_sub(climber.awaited);
        self.metrics
            .time(telemetry::AUCTION_OVERHEAD, ["post"], overhead);
        Ok(answer)
    }

    /// Queues a record of a lead; the future resolves when it is durable.
    pub(crate) fn append_lead(
        &self,
        lead: LeadId,
        n: u32,
        body: LeadBody,
    ) -> impl Future<Output = Result<(), LogError>> + Send + use<'_, B> {
        let record = LeadRecord {
            subject: lead.as_bytes().to_vec(),
            n,
            at_us: self.clock.wall().as_micros(),
            instance: self.instance,
            body: Some(body),
        };
        let appended = self.backend.log().append(
            Topic::Leads,
            store::key::lead(lead),
            record.encode_to_vec().into(),
            Ack::Durable,
        );
        async move { appended.await.map(drop) }
    }
}

/// The word for a lead nobody has finished yet.
pub(crate) const IN_PROGRESS: Told<'static> =
    Told::Not(LeadStatus::Pending, LeadReason::InProgress, None);
