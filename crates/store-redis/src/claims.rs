//! Claims in Redis: keys, used quotes, consumers and leads, a script a step.
//!
//! The rules are those of every backend, in Rust: how records become a state (`store::fold`), and what
//! earlier leads of a consumer mean for a new one (`ConsumerClaim::judge`). For them the scripts read, and
//! write only if nothing has changed meanwhile.

mod admission;
mod folding;
mod read;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use data_encoding::HEXLOWER;
use domain::{AuctionId, LeadId, Timestamp};
use proto::{LeadBody, LeadRecord, LeadState, Message as _, RecordError};
use redis::{Cmd, FromRedisValue};
use sha2::{Digest as _, Sha256};
use store::{
    Admission, AdmitRequest, ClaimKey, Claims, ConsumerHash, Digest, Earlier, Folded, LeadView,
    Lookup, PING_KEPT, PostingClaim, StoreError,
};

use crate::caps;
use crate::link::{Call, Link};
use crate::names::Space;
use crate::rebuild::GIVEN_UP;
use crate::script::{self, Script};
use folding::has_ended;
pub(crate) use folding::{Forgotten, fold};
use read::Reply;

/// Open leads that are read at a time.
const PAGE: usize = 256;
/// How often a step is tried again because somebody else was faster; each time somebody was.
const TRIES: usize = 64;

/// Claims of a cluster.
#[derive(Debug, Clone)]
pub struct RedisClaims(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    link: Link,
    /// Steps that were asked for so far: each has a name of its own, by which it is known when it is
    /// asked for again.
    steps: AtomicU64,
    waiting: AtomicUsize,
}

/// A key's name in Redis: half of its SHA-256, since it may be long.
fn key_name(key: &ClaimKey) -> String {
    let whole: [u8; 32] = Sha256::digest(&key.0).into();
    let (half, _) = whole.split_at(16);
    HEXLOWER.encode(half)
}

fn contended() -> StoreError {
    StoreError::Unavailable("too many at once".to_owned())
}

impl RedisClaims {
    pub(crate) fn new(link: Link) -> Self {
        Self(Arc::new(Inner {
            link,
            steps: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
        }))
    }
}

/// Whether it is the first word on a lead that it ends.
fn is_without_a_lead(record: &LeadRecord, state: &LeadState) -> bool {
    let ends = matches!(record.body, Some(LeadBody::Interrupted(_)));
    ends && state.received.is_none() && state.legs.is_empty()
}

impl Inner {
    async fn call<T: FromRedisValue>(
        &self,
        script: &Script,
        arguments: impl Fn(&mut Cmd) + Send + Sync,
    ) -> Result<T, StoreError> {
        self.link.call(Space::Claims, script, arguments).await
    }

    /// What is known by a name.
    async fn find(&self, by: &str, name: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let found = self.call(&script::FIND, |command| {
            command.arg(by).arg(name);
        });
        found.await
    }

    async fn view(&self, lead: LeadId) -> Result<Option<LeadView>, StoreError> {
        read::view(&self.find("lead", &lead.to_string()).await?)
    }

    /// A lead that was there a moment ago.
    async fn view_of(&self, lead: LeadId) -> Result<LeadView, StoreError> {
        Ok(self.view(lead).await?.unwrap_or(LeadView {
            lead,
            state: None,
            answer: None,
        }))
    }

    async fn lead_by(&self, by: &str, name: &str) -> Result<Option<LeadId>, StoreError> {
        let found = self.find(by, name).await?;
        found.first().map(|lead| read::lead(lead)).transpose()
    }

    /// Nothing but its claim speaks for a lead, and its router is gone: its units and its claim are anybody's.
    async fn forsaken(&self, lead: LeadId) -> Result<(), StoreError> {
        let name = lead.to_string();
        // What is pinned goes first: whoever dies between the two is followed by one who finds the claim.
        for withdrawn in ["no", "yes"] {
            let is_forsaken = self.call(&script::FORSAKEN, |command| {
                command.arg(&name).arg(withdrawn);
            });
            if !is_forsaken.await? {
                return Ok(());
            }
            if withdrawn == "no" {
                caps::ended(&self.link, lead, &LeadState::default()).await?;
            }
        }
        tracing::warn!(%lead, "a router claimed to post a lead, recorded nothing of it and is gone: it may come again");
        Ok(())
    }

    /// One step of a claim, and whether it was taken.
    async fn step(&self, lead: LeadId, step: &str, said: &[u8]) -> Result<bool, StoreError> {
        let lead = lead.to_string();
        let taken = self.call(&script::CLAIM, |command| {
            command.arg(&lead).arg(step).arg(said);
        });
        taken.await
    }
}

impl Claims for RedisClaims {
    async fn lookup(&self, key: &ClaimKey, digest: &Digest) -> Result<Lookup, StoreError> {
        let key = key_name(key);
        let said = self.0.call(&script::LOOKUP, |command| {
            command.arg(&key).arg(HEXLOWER.encode(digest));
        });
        let said: Reply = said.await?;
        match said.word()? {
            "free" => Ok(Lookup::Free),
            "conflict" => Ok(Lookup::Conflict),
            "quote" => Ok(Lookup::Quote(said.list(1)?.concat().into())),
            "lead" => {
                let view = read::view(&said.list(1)?)?;
                Ok(view.map_or(Lookup::Free, Lookup::Lead))
            }
            _ => Err(said.unexpected()),
        }
    }

    async fn admit(&self, request: AdmitRequest) -> Result<Admission, StoreError> {
        self.0.admit(&request).await
    }

    async fn by_key(&self, key: &ClaimKey) -> Result<Option<LeadId>, StoreError> {
        self.0.lead_by("key", &key_name(key)).await
    }

    async fn by_quote(&self, auction: AuctionId) -> Result<Option<LeadId>, StoreError> {
        self.0.lead_by("quote", &auction.to_string()).await
    }

    async fn earlier(
        &self,
        campaign: &str,
        hashes: &[ConsumerHash],
    ) -> Result<Vec<Earlier>, StoreError> {
        let hashes = read::joined(hashes);
        let found = self.0.call(&script::FIND, |command| {
            command.arg("consumer").arg(campaign).arg(&hashes);
        });
        let found: Vec<Vec<u8>> = found.await?;
        read::earlier(&found)
    }

    async fn unrecorded(&self, partition: u16) -> Result<Vec<LeadId>, StoreError> {
        let found = self.0.call(&script::TAKEN, |command| {
            command.arg(PAGE).arg(GIVEN_UP.as_secs());
        });
        let found: Vec<Vec<u8>> = found.await?;
        let mut leads = Vec::with_capacity(found.len());
        for lead in &found {
            let lead = read::lead(lead)?;
            if self.0.link.options().partition(lead) == partition {
                leads.push(lead);
            }
        }
        Ok(leads)
    }

    async fn withdraw(&self, lead: LeadId) -> Result<(), StoreError> {
        self.0.step(lead, "withdraw", b"").await.map(drop)
    }

    async fn posting(&self, lead: LeadId) -> Result<PostingClaim, StoreError> {
        let step = self.0.steps.fetch_add(1, Ordering::Relaxed);
        let who = format!("{}/{step}", self.0.link.options().instance);
        Ok(match self.0.step(lead, "posting", who.as_bytes()).await? {
            true => PostingClaim::Yours,
            false => PostingClaim::Lost,
        })
    }

    async fn answered(&self, lead: LeadId, answer: Arc<[u8]>) -> Result<(), StoreError> {
        self.0.step(lead, "answered", &answer).await.map(drop)
    }

    async fn quoted(
        &self,
        key: ClaimKey,
        digest: Digest,
        answer: Arc<[u8]>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let bytes = self.0.link.options().quote_bytes;
        let quoted = quoting(&key, &digest, &answer, now, bytes);
        self.0.call(&script::QUOTED, quoted).await
    }

    async fn close(&self, lead: LeadId, now: Timestamp) -> Result<bool, StoreError> {
        let now = now.as_micros().to_string();
        self.0.step(lead, "close", now.as_bytes()).await
    }

    async fn lead(&self, lead: LeadId) -> Result<Option<LeadView>, StoreError> {
        self.0.view(lead).await
    }

    async fn changed(
        &self,
        seen: &LeadView,
        wait: Duration,
    ) -> Result<Option<LeadView>, StoreError> {
        self.0.wait_for_news(seen, wait).await?;
        self.0.view(seen.lead).await
    }

    async fn fold(&self, offset: u64, record: &LeadRecord) -> Result<Folded, StoreError> {
        let link = &self.0.link;
        let lead = record.lead_id()?;
        let partition = link.options().partition(lead);
        let folded = fold(link, partition, lead, &[(offset, record)], Forgotten::Read).await?;
        if is_without_a_lead(record, &folded.state) {
            self.0.forsaken(lead).await?;
            return Ok(folded);
        }
        // Also where it is folded again: whoever folded it first may have died before this.
        let is_last = folded.state.applied == offset.saturating_add(1);
        if is_last && has_ended(&folded.state) {
            caps::ended(link, lead, &folded.state).await?;
        }
        Ok(folded)
    }

    async fn open(&self, partition: u16) -> Result<Vec<Arc<LeadState>>, StoreError> {
        open(&self.0.link, partition).await
    }
}

/// Leads of a partition that have not ended, oldest first.
pub(crate) async fn open(
    redis: &(impl Call + Sync),
    partition: u16,
) -> Result<Vec<Arc<LeadState>>, StoreError> {
    let mut open = Vec::new();
    for from in (0..).step_by(PAGE) {
        let page = redis.call(Space::Claims, &script::OPEN, |command| {
            command.arg(partition).arg(from).arg(PAGE);
        });
        let page: Vec<Vec<u8>> = page.await?;
        for state in page.iter().filter(|state| !state.is_empty()) {
            let state = LeadState::decode(state.as_slice());
            open.push(Arc::new(state.map_err(RecordError::from)?));
        }
        if page.len() < PAGE {
            break;
        }
    }
    Ok(open)
}

/// The state of a lead.
pub(crate) async fn state(
    redis: &(impl Call + Sync),
    lead: LeadId,
) -> Result<Option<Arc<LeadState>>, StoreError> {
    let found = redis.call(Space::Claims, &script::FIND, |command| {
        command.arg("lead").arg(lead.to_string());
    });
    let found: Vec<Vec<u8>> = found.await?;
    Ok(read::view(&found)?.and_then(|view| view.state))
}

/// What remembering the answer to a ping takes: the same while the store is made again.
pub(crate) fn quoting(
    key: &ClaimKey,
    digest: &Digest,
    answer: &[u8],
    at: Timestamp,
    bytes: u64,
) -> impl Fn(&mut Cmd) + Send + Sync {
    let (key, digest) = (key_name(key), HEXLOWER.encode(digest));
    let till = at.plus(PING_KEPT).as_micros();
    move |command: &mut Cmd| {
        command.arg(&key).arg(&digest).arg(answer).arg(till);
        command.arg(bytes);
    }
}
