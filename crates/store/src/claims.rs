//! Claims: who holds which request, consumer and quote, and the state of every recent lead.
//!
//! The fence of an admission is one atomic step. A claim has a lease on the store's clock and a
//! state: `admitted -> posting -> answered`, or `admitted -> closed`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::{AuctionId, LeadId, Timestamp};
use proto::{LeadRecord, LeadState};

use crate::{ConsumerClaim, ConsumerHash, Earlier, StoreError};

/// Scope and idempotency key: `{publisher}/{campaign}/{endpoint}/{key}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey(pub String);

/// SHA-256 of the canonical request: the same key with another body is a conflict.
pub type Digest = [u8; 32];

/// How long the answer to a ping is kept, which is longer than its quote lives: who asks again later gets a quote that
/// can be used. A lead's answer is kept for a day.
pub const PING_KEPT: Duration = Duration::from_secs(600);

/// What is known of a key.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// Nothing.
    Free,
    /// Another body came with this key.
    Conflict,
    /// The key belongs to this lead, whatever its state.
    Lead(LeadView),
    /// The key belongs to a ping that was answered with these bytes.
    Quote(Arc<[u8]>),
}

/// What a lead wants to claim, all or nothing.
#[derive(Debug, Clone)]
pub struct AdmitRequest {
    /// The lead id a fresh claim gets.
    pub lead: LeadId,
    /// Scope and key.
    pub key: ClaimKey,
    /// Digest of the request.
    pub digest: Digest,
    /// The quote it uses.
    pub quote: Option<AuctionId>,
    /// Its consumer.
    pub consumer: ConsumerClaim,
    /// How long the admission holds without a sign of life (deadline + 30 s).
    pub lease: Duration,
    /// Wall time of the caller.
    pub now: Timestamp,
}

/// The fence's answer.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Everything is claimed for this lead: the fresh id, or the id of an admission whose lease
    /// had lapsed and which is hereby taken over.
    Granted(LeadId),
    /// The key is held by this lead: replay or wait.
    Held(LeadView),
    /// The key is held with another body.
    Conflict,
    /// Another lead used the quote.
    QuoteUsed,
    /// The quote is of a time before the store was lost and made again: whether it was used nobody knows.
    QuoteVoid,
    /// Key and quote are claimed for this lead, which is a duplicate: it is to be recorded as one.
    Duplicate(LeadId),
    /// Another lead of this consumer is in flight; nothing is claimed. Wait for it, and ask again.
    Busy(LeadView),
}

impl Admission {
    /// The lead for which everything is claimed.
    pub fn lead(&self) -> Option<LeadId> {
        match self {
            Self::Granted(lead) | Self::Duplicate(lead) => Some(*lead),
            Self::Held(_) | Self::Conflict | Self::QuoteUsed | Self::QuoteVoid | Self::Busy(_) => {
                None
            }
        }
    }
}

/// The answer to the claim's compare-and-set before the first post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostingClaim {
    /// The lead is this router's to post.
    Yours,
    /// It was taken over or closed: stop.
    Lost,
}

/// What a router can tell about a lead.
#[derive(Debug, Clone)]
pub struct LeadView {
    /// The lead.
    pub lead: LeadId,
    /// The fold of its records as far as the worker has come; none before it saw any.
    pub state: Option<Arc<LeadState>>,
    /// The final answer a router gave or would have given, sealed; set when the outcome is
    /// acknowledged, before the worker folds it.
    pub answer: Option<Arc<[u8]>>,
}

/// What folding a record did.
#[derive(Debug, Clone)]
pub struct Folded {
    /// The state after it.
    pub state: Arc<LeadState>,
    /// What changed; empty if the record had been folded before.
    pub changes: Vec<crate::fold::Change>,
}

/// Claims and leads.
pub trait Claims: Send + Sync + 'static {
    /// What is known of a key.
    fn lookup(
        &self,
        key: &ClaimKey,
        digest: &Digest,
    ) -> impl Future<Output = Result<Lookup, StoreError>> + Send;

    /// The fence.
    fn admit(
        &self,
        request: AdmitRequest,
    ) -> impl Future<Output = Result<Admission, StoreError>> + Send;

    /// The lead that a post's key belongs to, whatever its body was.
    fn by_key(
        &self,
        key: &ClaimKey,
    ) -> impl Future<Output = Result<Option<LeadId>, StoreError>> + Send;

    /// The lead that used a quote.
    fn by_quote(
        &self,
        auction: AuctionId,
    ) -> impl Future<Output = Result<Option<LeadId>, StoreError>> + Send;

    /// Earlier leads of a campaign that share one of these hashes, as they stand now.
    fn earlier(
        &self,
        campaign: &str,
        hashes: &[ConsumerHash],
    ) -> impl Future<Output = Result<Vec<Earlier>, StoreError>> + Send;

    /// Leads of a partition that a router claimed to post, whose leases are over, and of which nothing was folded: it
    /// may have died before the log had a record of them. Whether it had says an interruption that is put there now:
    /// [`Self::fold`] of it as the first record of a lead takes back all that was claimed. None while a node may have
    /// records that the log has not, and none of a backend that ends with its router.
    fn unrecorded(
        &self,
        partition: u16,
    ) -> impl Future<Output = Result<Vec<LeadId>, StoreError>> + Send {
        let _ = partition;
        std::future::ready(Ok(Vec::new()))
    }

    /// Gives back an admission of which no record was written (the log refused it).
    fn withdraw(&self, lead: LeadId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// `admitted -> posting`, before the first pin. `instance` is the router's own: an admission
    /// that another instance took over is lost to this one.
    fn posting(
        &self,
        lead: LeadId,
    ) -> impl Future<Output = Result<PostingClaim, StoreError>> + Send;

    /// `-> answered`, after the outcome was acknowledged; wakes who waits.
    fn answered(
        &self,
        lead: LeadId,
        answer: Arc<[u8]>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Remembers the answer to a ping with a key, for [`PING_KEPT`] from `now` on.
    fn quoted(
        &self,
        key: ClaimKey,
        digest: Digest,
        answer: Arc<[u8]>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// `admitted -> closed` if the lease has lapsed at `now` and no post can have left; the worker
    /// then records the lead as interrupted. True again for a claim that is closed already, false
    /// if somebody may still work on it.
    fn close(
        &self,
        lead: LeadId,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// A lead.
    fn lead(
        &self,
        lead: LeadId,
    ) -> impl Future<Output = Result<Option<LeadView>, StoreError>> + Send;

    /// Waits until the lead is not as the caller saw it: an answer appeared that was not there, or
    /// its state's `applied` has risen. Returns the view then, or after `wait` as it is.
    fn changed(
        &self,
        seen: &LeadView,
        wait: Duration,
    ) -> impl Future<Output = Result<Option<LeadView>, StoreError>> + Send;

    /// Folds a record of partition order into its lead's state. Idempotent by offset.
    fn fold(
        &self,
        offset: u64,
        record: &LeadRecord,
    ) -> impl Future<Output = Result<Folded, StoreError>> + Send;

    /// Leads of a partition that have not ended, oldest first: what time may have to end.
    fn open(
        &self,
        partition: u16,
    ) -> impl Future<Output = Result<Vec<Arc<LeadState>>, StoreError>> + Send;
}
