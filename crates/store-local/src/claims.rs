//! Claims in process: keys, used quotes, and the leads they lead to.
//!
//! Locks are taken in the order keys, consumers, quotes, leads; whoever comes from a lead looks its key up,
//! lets go, and checks again from the front. A claim rebuilt from the log has a lease that has
//! lapsed: the process that held it is gone.
//!
//! What memory does not know the archive may: it is asked after memory, or before the lock under which
//! memory is asked (`Glance`). A lead that is in the archive alone has ended for everybody: nobody works
//! on it, nobody waits for it, and a record that comes late brings it back to memory for a while.

mod again;
mod consumers;
mod entry;
mod expiry;
mod folding;
mod forgetting;
mod key;
mod open;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use domain::{AuctionId, LeadId, Timestamp};
use parking_lot::Mutex;
use proto::{LeadRecord, LeadState};
use store::{
    Admission, AdmitRequest, ClaimKey, Claims, ConsumerHash, Digest, Earlier, Folded, LeadView,
    Lookup, PING_KEPT, PostingClaim, StoreError, Verdict,
};

pub(crate) use entry::has_ended;
pub(crate) use expiry::KEPT;
pub(crate) use key::{Claimed, KeyHash, digest};

use crate::archive::Archive;
use crate::caps::LocalCaps;
use crate::clock::StoreClock;
use crate::floor::Floor;
use crate::past::{Ended, Past};
use crate::shadow::Kept;
use crate::sharded::Sharded;
use again::Again;
use consumers::Consumers;
use entry::{Entry, Fold, Found, Keyed, Phase, Target};
use expiry::{Leads, Quotes};
use open::OpenLeads;
use wait::Waiting;

/// Claims of one machine.
#[derive(Clone)]
pub struct LocalClaims(Arc<Inner>);

struct Inner {
    clock: StoreClock,
    caps: LocalCaps,
    keys: Sharded<KeyHash, Keyed>,
    used_quotes: Sharded<AuctionId, LeadId>,
    consumers: Mutex<Consumers>,
    leads: Sharded<LeadId, Entry>,
    open: OpenLeads,
    cooling: Leads,
    expiring: Leads,
    quotes: Quotes,
    waiting: Waiting,
    floor: Arc<Floor>,
    past: Past,
    archive: Archive,
    again: Mutex<Again>,
}

/// What the fence says, before the lead that stands in the way is looked at.
enum Fence {
    Said(Admission),
    Held(LeadId),
    Busy(LeadId),
}

/// What a key leads to, likewise.
enum Keys {
    Said(Lookup),
    Lead(LeadId),
}

impl LocalClaims {
    pub(crate) fn new(
        clock: StoreClock,
        caps: LocalCaps,
        floor: Arc<Floor>,
        kept: Kept,
        quote_bytes: usize,
        waiters: usize,
    ) -> Self {
        Self(Arc::new(Inner {
            clock,
            caps,
            keys: Sharded::new(),
            used_quotes: Sharded::new(),
            consumers: Mutex::default(),
            leads: Sharded::new(),
            open: OpenLeads::new(floor.partitions()),
            cooling: Leads::default(),
            expiring: Leads::default(),
            quotes: Quotes::new(quote_bytes),
            waiting: Waiting::new(waiters),
            floor,
            past: kept.past,
            archive: kept.archive,
            again: Mutex::default(),
        }))
    }

    /// Recovery: a lead as these records left it.
    pub(crate) fn restore(&self, state: LeadState, records: Vec<u64>) -> Result<(), StoreError> {
        let lead = state.lead_id()?;
        let earlier = Earlier::of(&state)?;
        let now = self.0.clock.now();
        self.0.consumers.lock().recorded(lead, earlier, now);
        let mut entry = Entry::new(LAPSED, None, None);
        if let Some(received) = &state.received {
            self.0.claim(lead, &mut entry, Claimed::by(received)?);
        }
        if has_ended(&state) {
            let due = Timestamp::from_micros(state.ended_at_us).plus(KEPT);
            self.0.expire_at(due, lead, &mut entry);
        } else {
            self.0.open.insert(self.0.partition(lead), &state, lead);
        }
        entry.set_state(Arc::new(state), records);
        self.0.leads.shard(&lead).insert(lead, entry);
        Ok(())
    }

    /// Recovery: a lead that has ended.
    pub(crate) fn restore_ended(&self, lead: LeadId, ended: Ended, claimed: Claimed) {
        self.0.caps.close(lead, ended.legs);
        let mut entry = Entry::new(Phase::Answered, None, None);
        self.0.claim(lead, &mut entry, claimed);
        self.0.expire_at(ended.at.plus(KEPT), lead, &mut entry);
        entry.fold = Fold::Ended(ended);
        self.0.leads.shard(&lead).insert(lead, entry);
    }

    /// Recovery: what is remembered of a consumer.
    pub(crate) fn restore_consumer(&self, earlier: Earlier) {
        let now = self.0.clock.now();
        let mut consumers = self.0.consumers.lock();
        consumers.recorded(earlier.lead, Some(earlier), now);
    }

    /// The archive has a lead as it was at its end.
    pub(crate) fn archived(&self, lead: LeadId, ended: &Ended) {
        self.0.archived(lead, ended);
    }

    /// Recovery: an answer to a ping.
    pub(crate) fn restore_quote(&self, key: KeyHash, digest: Digest, answer: &[u8], at: Timestamp) {
        self.0.quoted(key, digest, answer.into(), at);
    }
}

/// The claim of a process that is gone.
const LAPSED: Phase = Phase::Admitted {
    lease: Timestamp::from_micros(i64::MIN),
};

impl Inner {
    /// Claims the key and the quote of a lead that the log knows.
    fn claim(&self, lead: LeadId, entry: &mut Entry, claimed: Claimed) {
        if let Some((key, digest)) = claimed.key {
            let target = Target::Lead(lead);
            self.keys
                .shard(&key)
                .entry(key)
                .or_insert(Keyed { digest, target });
            entry.key = Some(key);
        }
        if let Some(auction) = claimed.quote {
            let mut quotes = self.used_quotes.shard(&auction);
            quotes.entry(auction).or_insert(lead);
            entry.quote = Some(auction);
        }
    }

    fn partition(&self, lead: LeadId) -> usize {
        self.floor.partition(key_of(lead))
    }

    fn lookup(&self, key: KeyHash, digest: &Digest) -> Result<Keys, StoreError> {
        if let Some(known) = self.keys.shard(&key).get(&key) {
            return Ok(match &known.target {
                Target::Quote { until, .. } if *until <= self.clock.now() => {
                    Keys::Said(Lookup::Free)
                }
                _ if known.digest != *digest => Keys::Said(Lookup::Conflict),
                Target::Quote { answer, .. } => Keys::Said(Lookup::Quote(Arc::clone(answer))),
                Target::Lead(lead) => Keys::Lead(*lead),
            });
        }
        Ok(match self.archive.key(&key)? {
            None => Keys::Said(Lookup::Free),
            Some((known, _)) if known != *digest => Keys::Said(Lookup::Conflict),
            Some((_, lead)) => Keys::Lead(lead),
        })
    }

    fn found(&self, lead: LeadId) -> Option<Found> {
        let leads = self.leads.shard(&lead);
        leads.get(&lead).map(|entry| entry.found(lead))
    }

    /// A lead, read from the log if it has to be: not on the caller's thread.
    async fn view(&self, lead: LeadId) -> Result<Option<LeadView>, StoreError> {
        let ended = match self.found(lead) {
            Some(Found::Here(view)) => return Ok(Some(view)),
            Some(Found::Past(ended)) => ended,
            None => match self.archive.lead(lead)? {
                None => return Ok(None),
                Some(ended) => ended,
            },
        };
        let (past, partition) = (self.past.clone(), self.partition(lead));
        let read = tokio::task::spawn_blocking(move || past.read(lead, partition, &ended.records));
        let read = read.await;
        let state = read.map_err(|error| StoreError::Unavailable(error.to_string()))??;
        Ok(state.map(|state| LeadView {
            lead,
            answer: (!state.sealed_answer.is_empty())
                .then(|| state.sealed_answer.as_slice().into()),
            state: Some(Arc::new(state)),
        }))
    }

    fn admit(&self, request: AdmitRequest) -> Result<Fence, StoreError> {
        let now = self.clock.now();
        for lead in self.cooling.due(now) {
            self.cool(lead, now);
        }
        for lead in self.expiring.due(now) {
            self.expire(lead, now);
        }
        let lease = now.plus(request.lease);
        let key = KeyHash::from(&request.key);
        let archive = &self.archive;
        let mut glance = archive.glance(key, request.quote, &request.consumer, now)?;
        let mut keys = self.keys.shard(&key);
        // A fresh claim gets the caller's id; one whose lease has lapsed is taken over under its own.
        let mut lead = request.lead;
        let mut taken_over = false;
        if let Some(known) = keys.get(&key) {
            if known.digest != request.digest {
                return Ok(Fence::Said(Admission::Conflict));
            }
            // A ping's key has another scope than a post's.
            let Target::Lead(owner) = known.target else {
                return Ok(Fence::Said(Admission::Conflict));
            };
            if let Some(entry) = self.leads.shard(&owner).get(&owner) {
                match entry.phase {
                    Phase::Admitted { lease: until } if until <= now || owner == request.lead => {
                        lead = owner;
                        taken_over = true;
                    }
                    _ => return Ok(Fence::Held(owner)),
                }
            }
        } else if let Some((digest, owner)) = glance.key()? {
            return Ok(match digest == request.digest {
                true => Fence::Held(owner),
                false => Fence::Said(Admission::Conflict),
            });
        }
        let mut consumers = self.consumers.lock();
        let verdict = consumers.enter(&request.consumer, lead, now, lease, &mut glance)?;
        let duplicate = match verdict {
            Verdict::Fresh => false,
            Verdict::Duplicate(_) => true,
            Verdict::Wait(first) => return Ok(Fence::Busy(first)),
        };
        if let Some(auction) = request.quote {
            let mut quotes = self.used_quotes.shard(&auction);
            let used = match quotes.get(&auction) {
                Some(used) => Ok(Some(*used)),
                None => glance.used(),
            };
            let free = |used: &Option<LeadId>| used.is_none_or(|used| used == lead);
            if !used.as_ref().is_ok_and(free) {
                if !duplicate && !taken_over {
                    consumers.forget(lead);
                }
                return used.map(|_| Fence::Said(Admission::QuoteUsed));
            }
            quotes.insert(auction, lead);
        }
        drop(consumers);
        let mut leads = self.leads.shard(&lead);
        match leads.get_mut(&lead) {
            Some(entry) if taken_over => {
                // Between the two locks its router may have moved on.
                if !matches!(entry.phase, Phase::Admitted { .. }) {
                    return Ok(Fence::Held(lead));
                }
                entry.phase = Phase::Admitted { lease };
            }
            _ => {
                let target = Target::Lead(lead);
                let digest = request.digest;
                keys.insert(key, Keyed { digest, target });
                let mut entry = Entry::new(Phase::Admitted { lease }, Some(key), request.quote);
                // In case no record of it is ever written.
                self.expire_at(lease.plus(KEPT), lead, &mut entry);
                leads.insert(lead, entry);
            }
        }
        Ok(Fence::Said(if duplicate {
            Admission::Duplicate(lead)
        } else {
            Admission::Granted(lead)
        }))
    }

    fn posting(&self, lead: LeadId) -> PostingClaim {
        let mut consumers = self.consumers.lock();
        match self.leads.shard(&lead).get_mut(&lead) {
            Some(entry) if matches!(entry.phase, Phase::Admitted { .. }) => {
                entry.phase = Phase::Posting;
                consumers.posted(lead);
                PostingClaim::Yours
            }
            _ => PostingClaim::Lost,
        }
    }

    fn answered(&self, lead: LeadId, answer: Arc<[u8]>) {
        if let Some(entry) = self.leads.shard(&lead).get_mut(&lead) {
            // The first answer stays; a lead that was closed has the fold's.
            let ended = matches!(entry.fold, Fold::Ended(_));
            if entry.answer.is_none() && entry.phase != Phase::Closed && !ended {
                entry.phase = Phase::Answered;
                entry.answer = Some(answer);
                entry.wake();
            }
        }
    }

    fn quoted(&self, key: KeyHash, digest: Digest, answer: Arc<[u8]>, at: Timestamp) {
        let (now, until) = (self.clock.now(), at.plus(PING_KEPT));
        let bytes = answer.len();
        {
            let mut keys = self.keys.shard(&key);
            match keys.get(&key).map(|known| &known.target) {
                Some(Target::Quote { until, .. }) if *until <= now => {}
                Some(_) => return,
                None => {}
            }
            let target = Target::Quote { answer, until };
            keys.insert(key, Keyed { digest, target });
        }
        for (due, gone) in self.quotes.push(until, key, bytes, now) {
            let mut keys = self.keys.shard(&gone);
            let target = keys.get(&gone).map(|known| &known.target);
            if matches!(target, Some(Target::Quote { until, .. }) if *until == due) {
                keys.remove(&gone);
            }
        }
    }

    fn close(&self, lead: LeadId, now: Timestamp) -> bool {
        // Neither the caller's clock nor the store's alone ends a lease.
        let now = self.clock.now().min(now);
        let mut leads = self.leads.shard(&lead);
        let Some(entry) = leads.get_mut(&lead) else {
            return false;
        };
        match entry.phase {
            Phase::Admitted { lease } if lease <= now => {
                entry.phase = Phase::Closed;
                true
            }
            Phase::Closed => true,
            Phase::Admitted { .. } | Phase::Posting | Phase::Answered => false,
        }
    }
}

/// The key of a lead's records.
fn key_of(lead: LeadId) -> u64 {
    store::key::lead(lead)
}

impl Claims for LocalClaims {
    async fn lookup(&self, key: &ClaimKey, digest: &Digest) -> Result<Lookup, StoreError> {
        let lead = match self.0.lookup(key.into(), digest)? {
            Keys::Said(said) => return Ok(said),
            Keys::Lead(lead) => lead,
        };
        let view = self.0.view(lead).await?;
        Ok(view.map_or(Lookup::Free, Lookup::Lead))
    }

    async fn admit(&self, request: AdmitRequest) -> Result<Admission, StoreError> {
        // Whoever is forgotten between two locks is nobody to wait for.
        let nobody = |lead| LeadView {
            lead,
            state: None,
            answer: None,
        };
        Ok(match self.0.admit(request)? {
            Fence::Said(said) => said,
            Fence::Held(lead) => {
                let view = self.0.view(lead).await?;
                Admission::Held(view.unwrap_or_else(|| nobody(lead)))
            }
            Fence::Busy(lead) => {
                let view = self.0.view(lead).await?;
                Admission::Busy(view.unwrap_or_else(|| nobody(lead)))
            }
        })
    }

    async fn by_key(&self, key: &ClaimKey) -> Result<Option<LeadId>, StoreError> {
        let key = KeyHash::from(key);
        if let Some(known) = self.0.keys.shard(&key).get(&key) {
            return Ok(match &known.target {
                Target::Lead(lead) => Some(*lead),
                Target::Quote { .. } => None,
            });
        }
        Ok(self.0.archive.key(&key)?.map(|(_, lead)| lead))
    }

    async fn by_quote(&self, auction: AuctionId) -> Result<Option<LeadId>, StoreError> {
        let used = self.0.used_quotes.shard(&auction).get(&auction).copied();
        used.map_or_else(|| self.0.archive.quote(auction), |lead| Ok(Some(lead)))
    }

    async fn earlier(
        &self,
        campaign: &str,
        hashes: &[ConsumerHash],
    ) -> Result<Vec<Earlier>, StoreError> {
        let now = self.0.clock.now();
        let memory = self.0.consumers.lock().earlier(campaign, hashes, now);
        let archive = self.0.archive.consumers(campaign, hashes, now)?;
        Ok(consumers::with(memory, archive))
    }

    async fn withdraw(&self, lead: LeadId) -> Result<(), StoreError> {
        self.0.withdraw(lead);
        Ok(())
    }

    async fn posting(&self, lead: LeadId) -> Result<PostingClaim, StoreError> {
        Ok(self.0.posting(lead))
    }

    async fn answered(&self, lead: LeadId, answer: Arc<[u8]>) -> Result<(), StoreError> {
        self.0.answered(lead, answer);
        Ok(())
    }

    async fn quoted(
        &self,
        key: ClaimKey,
        digest: Digest,
        answer: Arc<[u8]>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.0.quoted(KeyHash::from(&key), digest, answer, now);
        Ok(())
    }

    async fn close(&self, lead: LeadId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.0.close(lead, now))
    }

    async fn lead(&self, lead: LeadId) -> Result<Option<LeadView>, StoreError> {
        self.0.view(lead).await
    }

    async fn changed(
        &self,
        seen: &LeadView,
        wait: Duration,
    ) -> Result<Option<LeadView>, StoreError> {
        self.0.wait_for_news(seen, wait).await;
        self.0.view(seen.lead).await
    }

    async fn fold(&self, offset: u64, record: &LeadRecord) -> Result<Folded, StoreError> {
        self.0.fold(offset, record)
    }

    async fn open(&self, partition: u16) -> Result<Vec<Arc<LeadState>>, StoreError> {
        let open = self.0.open.of(usize::from(partition));
        let states = open.into_iter().filter_map(|lead| {
            let leads = self.0.leads.shard(&lead);
            leads.get(&lead)?.fold.whole().cloned()
        });
        Ok(states.collect())
    }
}
