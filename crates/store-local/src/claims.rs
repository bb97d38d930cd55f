//! Claims in process: keys, used quotes, and the leads they lead to.
//!
//! Locks are taken in the order keys, consumers, quotes, leads; whoever comes from a lead looks its key up,
//! lets go, and checks again from the front. A claim rebuilt from the log has a lease that has
//! lapsed: the process that held it is gone.

mod consumers;
mod entry;
mod expiry;
mod open;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use domain::{AuctionId, LeadId, Timestamp};
use parking_lot::Mutex;
use proto::{LeadBody, LeadRecord, LeadState, Received};
use store::{
    Admission, AdmitRequest, ClaimKey, Claims, ConsumerHash, Digest, Earlier, Folded, LeadView,
    Lookup, PostingClaim, StoreError, Verdict, key,
};

pub(crate) use entry::has_ended;
pub(crate) use expiry::KEPT;

use crate::caps::LocalCaps;
use crate::clock::StoreClock;
use crate::floor::Floor;
use crate::sharded::Sharded;
use consumers::Consumers;
use entry::{Entry, Keyed, Phase, Target};
use expiry::{Leads, Quotes};
use open::OpenLeads;
use wait::Waiting;

/// Claims of one machine.
#[derive(Clone)]
pub struct LocalClaims(Arc<Inner>);

struct Inner {
    clock: StoreClock,
    caps: LocalCaps,
    keys: Sharded<ClaimKey, Keyed>,
    used_quotes: Sharded<AuctionId, LeadId>,
    consumers: Mutex<Consumers>,
    leads: Sharded<LeadId, Entry>,
    open: OpenLeads,
    expiring: Leads,
    quotes: Quotes,
    waiting: Waiting,
    floor: Arc<Floor>,
}

impl LocalClaims {
    pub(crate) fn new(
        clock: StoreClock,
        caps: LocalCaps,
        floor: Arc<Floor>,
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
            expiring: Leads::new(),
            quotes: Quotes::new(quote_bytes),
            waiting: Waiting::new(waiters),
            floor,
        }))
    }

    /// Recovery: a lead as the log left it.
    pub(crate) fn restore(&self, state: LeadState) -> Result<(), StoreError> {
        let lead = state.lead_id()?;
        let earlier = Earlier::of(&state)?;
        let now = self.0.clock.now();
        self.0.consumers.lock().recorded(lead, earlier, now);
        let mut entry = Entry::new(LAPSED, None, None);
        if let Some(received) = &state.received {
            self.0.name(lead, &mut entry, received)?;
        }
        if has_ended(&state) {
            let due = Timestamp::from_micros(state.ended_at_us).plus(KEPT);
            entry.expiring = true;
            self.0.expiring.push(due, lead);
        } else {
            let partition = self.0.floor.partition(key::lead(lead));
            self.0.open.insert(partition, &state, lead);
        }
        entry.set_state(Arc::new(state));
        self.0.leads.shard(&lead).insert(lead, entry);
        Ok(())
    }

    /// Recovery: a lead of which only its consumer is still remembered.
    pub(crate) fn restore_consumer(&self, earlier: Earlier) {
        let now = self.0.clock.now();
        let mut consumers = self.0.consumers.lock();
        consumers.recorded(earlier.lead, Some(earlier), now);
    }

    /// Recovery: an answer to a ping.
    pub(crate) fn restore_quote(
        &self,
        key: ClaimKey,
        digest: Digest,
        answer: &[u8],
        at: Timestamp,
    ) {
        self.0.quoted(key, digest, answer.into(), at);
    }
}

/// The claim of a process that is gone.
const LAPSED: Phase = Phase::Admitted {
    lease: Timestamp::from_micros(i64::MIN),
};

impl Inner {
    /// Claims the key and the quote of a lead that the log knows.
    fn name(&self, lead: LeadId, entry: &mut Entry, received: &Received) -> Result<(), StoreError> {
        if let Some(claim) = &received.claim {
            let key = ClaimKey(claim.key.clone());
            let digest = digest(&claim.digest)?;
            let target = Target::Lead(lead);
            self.keys
                .shard(&key)
                .entry(key.clone())
                .or_insert(Keyed { digest, target });
            entry.key = Some(key);
        }
        if let Some(auction) = received.auction_id()? {
            let mut quotes = self.used_quotes.shard(&auction);
            quotes.entry(auction).or_insert(lead);
            entry.quote = Some(auction);
        }
        Ok(())
    }

    fn lookup(&self, key: &ClaimKey, digest: &Digest) -> Lookup {
        let lead = match self.keys.shard(key).get(key) {
            None => return Lookup::Free,
            Some(known) if known.digest != *digest => return Lookup::Conflict,
            Some(known) => match &known.target {
                Target::Quote { answer, until } if *until > self.clock.now() => {
                    return Lookup::Quote(Arc::clone(answer));
                }
                Target::Quote { .. } => return Lookup::Free,
                Target::Lead(lead) => *lead,
            },
        };
        self.view(lead).map_or(Lookup::Free, Lookup::Lead)
    }

    fn view(&self, lead: LeadId) -> Option<LeadView> {
        self.leads
            .shard(&lead)
            .get(&lead)
            .map(|entry| entry.view(lead))
    }

    fn admit(&self, request: AdmitRequest) -> Admission {
        let now = self.clock.now();
        for lead in self.expiring.due(now) {
            self.expire(lead, now);
        }
        let lease = now.plus(request.lease);
        let mut keys = self.keys.shard(&request.key);
        // A fresh claim gets the caller's id; one whose lease has lapsed is taken over under its own.
        let mut lead = request.lead;
        let mut taken_over = false;
        if let Some(known) = keys.get(&request.key) {
            if known.digest != request.digest {
                return Admission::Conflict;
            }
            // A ping's key has another scope than a post's.
            let Target::Lead(owner) = known.target else {
                return Admission::Conflict;
            };
            if let Some(entry) = self.leads.shard(&owner).get(&owner) {
                match entry.phase {
                    Phase::Admitted { lease: until } if until <= now || owner == request.lead => {
                        lead = owner;
                        taken_over = true;
                    }
                    _ => return Admission::Held(entry.view(owner)),
                }
            }
        }
        let mut consumers = self.consumers.lock();
        let duplicate = match consumers.enter(&request.consumer, lead, now, lease) {
            Verdict::Fresh => false,
            Verdict::Duplicate(_) => true,
            Verdict::Wait(first) => {
                return match self.view(first) {
                    Some(view) => Admission::Busy(view),
                    // Forgotten between two locks: there is nothing to wait for.
                    None => Admission::Busy(LeadView {
                        lead: first,
                        state: None,
                        answer: None,
                    }),
                };
            }
        };
        if let Some(auction) = request.quote {
            let mut quotes = self.used_quotes.shard(&auction);
            if *quotes.entry(auction).or_insert(lead) != lead {
                if !duplicate && !taken_over {
                    consumers.forget(lead);
                }
                return Admission::QuoteUsed;
            }
        }
        drop(consumers);
        let mut leads = self.leads.shard(&lead);
        match leads.get_mut(&lead) {
            Some(entry) if taken_over => {
                // Between the two locks its router may have moved on.
                if !matches!(entry.phase, Phase::Admitted { .. }) {
                    return Admission::Held(entry.view(lead));
                }
                entry.phase = Phase::Admitted { lease };
            }
            _ => {
                let target = Target::Lead(lead);
                let digest = request.digest;
                let key = request.key;
                keys.insert(key.clone(), Keyed { digest, target });
                let entry = Entry::new(Phase::Admitted { lease }, Some(key), request.quote);
                leads.insert(lead, entry);
                // In case no record of it is ever written.
                self.expiring.push(lease.plus(KEPT), lead);
            }
        }
        if duplicate {
            Admission::Duplicate(lead)
        } else {
            Admission::Granted(lead)
        }
    }

    /// Forgets a lead and what leads to it, if `may` still says so once everything is locked.
    fn forget(&self, lead: LeadId, may: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
        let (key, quote) = {
            let leads = self.leads.shard(&lead);
            let entry = leads.get(&lead)?;
            (entry.key.clone(), entry.quote)
        };
        let mut keys = key.as_ref().map(|key| self.keys.shard(key));
        let mut quotes = quote.as_ref().map(|quote| self.used_quotes.shard(quote));
        let mut leads = self.leads.shard(&lead);
        let entry = leads.get(&lead)?;
        if entry.key != key || entry.quote != quote || !may(entry) {
            return None;
        }
        if let (Some(keys), Some(key)) = (&mut keys, &key)
            && matches!(keys.get(key), Some(Keyed { target: Target::Lead(owner), .. }) if *owner == lead)
        {
            keys.remove(key);
        }
        if let (Some(quotes), Some(quote)) = (&mut quotes, &quote)
            && quotes.get(quote) == Some(&lead)
        {
            quotes.remove(quote);
        }
        let entry = leads.remove(&lead)?;
        entry.wake();
        Some(entry)
    }

    /// Forgets a lead a day after its end, unless the worker has yet to see that.
    fn expire(&self, lead: LeadId, now: Timestamp) {
        let mut later = false;
        let gone = self.forget(lead, |entry| match (&entry.state, entry.phase) {
            (Some(state), _) if has_ended(state) => {
                let seen = self.floor.passed(key::lead(lead), state.applied);
                later = !seen;
                seen && Timestamp::from_micros(state.ended_at_us).plus(KEPT) <= now
            }
            // It comes back to the queue when it ends.
            (Some(_), _) => false,
            (None, Phase::Admitted { lease }) => lease <= now,
            (None, _) => {
                later = true;
                false
            }
        });
        if later {
            self.expiring.push(now.plus(KEPT), lead);
        }
        if gone.as_ref().is_some_and(|entry| entry.state.is_none()) {
            self.consumers.lock().forget(lead);
        }
        if let Some(state) = gone.and_then(|entry| entry.state) {
            let legs = state.legs.iter().filter_map(|leg| leg.number().ok());
            self.caps.forget(lead, legs);
        }
    }

    fn withdraw(&self, lead: LeadId) {
        let gone = self.forget(lead, |entry| {
            matches!(entry.phase, Phase::Admitted { .. }) && entry.state.is_none()
        });
        if gone.is_some() {
            self.consumers.lock().forget(lead);
        }
    }

    fn posting(&self, lead: LeadId) -> PostingClaim {
        match self.leads.shard(&lead).get_mut(&lead) {
            Some(entry) if matches!(entry.phase, Phase::Admitted { .. }) => {
                entry.phase = Phase::Posting;
                PostingClaim::Yours
            }
            _ => PostingClaim::Lost,
        }
    }

    fn answered(&self, lead: LeadId, answer: Arc<[u8]>) {
        if let Some(entry) = self.leads.shard(&lead).get_mut(&lead) {
            // The first answer stays; a lead that was closed has the fold's.
            if entry.answer.is_none() && entry.phase != Phase::Closed {
                entry.phase = Phase::Answered;
                entry.answer = Some(answer);
                entry.wake();
            }
        }
    }

    fn quoted(&self, key: ClaimKey, digest: Digest, answer: Arc<[u8]>, at: Timestamp) {
        let (now, until) = (self.clock.now(), at.plus(KEPT));
        let bytes = key.0.len() + answer.len();
        {
            let mut keys = self.keys.shard(&key);
            match keys.get(&key).map(|known| &known.target) {
                Some(Target::Quote { until, .. }) if *until <= now => {}
                Some(_) => return,
                None => {}
            }
            let target = Target::Quote { answer, until };
            keys.insert(key.clone(), Keyed { digest, target });
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

    fn fold(&self, offset: u64, record: &LeadRecord) -> Result<Folded, StoreError> {
        let lead = record.lead_id()?;
        let partition = key::lead(lead);
        let known = self.leads.shard(&lead).contains_key(&lead);
        if !known && self.floor.was_folded(partition, offset) {
            // Ended long ago and forgotten since: nothing of it counts again.
            let (state, _) = store::fold::apply(None, offset, record)?;
            return Ok(Folded {
                state: Arc::new(state),
                changes: Vec::new(),
            });
        }
        // Keys come before leads: what a `received` claims is looked at first.
        let mut fresh = Entry::new(LAPSED, None, None);
        if let (false, Some(LeadBody::Received(received))) = (known, &record.body) {
            self.name(lead, &mut fresh, received)?;
        }
        let mut leads = self.leads.shard(&lead);
        let before = leads.get(&lead).and_then(|entry| entry.state.clone());
        let (state, changes) = store::fold::apply(before.as_deref().cloned(), offset, record)?;
        let state = Arc::new(state);
        self.floor.fold(partition, offset);
        if state.received.is_none() && state.legs.is_empty() {
            // Nothing but a remark on a lead that is not known.
            return Ok(Folded { state, changes });
        }
        let entry = leads.entry(lead).or_insert(fresh);
        let partition = self.floor.partition(partition);
        if let Some(before) = before {
            self.open.remove(partition, &before, lead);
        }
        if !has_ended(&state) {
            self.open.insert(partition, &state, lead);
        } else if !entry.expiring {
            entry.expiring = true;
            self.expiring.push(self.clock.now().plus(KEPT), lead);
        }
        entry.set_state(Arc::clone(&state));
        drop(leads);
        // Before anybody who waits looks again.
        let now = self.clock.now();
        let earlier = Earlier::of(&state)?;
        self.consumers.lock().recorded(lead, earlier, now);
        if let Some(entry) = self.leads.shard(&lead).get(&lead) {
            entry.wake();
        }
        Ok(Folded { state, changes })
    }
}

fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    bytes
        .try_into()
        .map_err(|_| proto::RecordError::Field("digest").into())
}

impl Claims for LocalClaims {
    async fn lookup(&self, key: &ClaimKey, digest: &Digest) -> Result<Lookup, StoreError> {
        Ok(self.0.lookup(key, digest))
    }

    async fn admit(&self, request: AdmitRequest) -> Result<Admission, StoreError> {
        Ok(self.0.admit(request))
    }

    async fn by_key(&self, key: &ClaimKey) -> Result<Option<LeadId>, StoreError> {
        let keys = self.0.keys.shard(key);
        Ok(match keys.get(key).map(|known| &known.target) {
            Some(Target::Lead(lead)) => Some(*lead),
            Some(Target::Quote { .. }) | None => None,
        })
    }

    async fn by_quote(&self, auction: AuctionId) -> Result<Option<LeadId>, StoreError> {
        let quotes = self.0.used_quotes.shard(&auction);
        Ok(quotes.get(&auction).copied())
    }

    async fn earlier(
        &self,
        campaign: &str,
        hashes: &[ConsumerHash],
    ) -> Result<Vec<Earlier>, StoreError> {
        let now = self.0.clock.now();
        Ok(self.0.consumers.lock().earlier(campaign, hashes, now))
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
        self.0.quoted(key, digest, answer, now);
        Ok(())
    }

    async fn close(&self, lead: LeadId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.0.close(lead, now))
    }

    async fn lead(&self, lead: LeadId) -> Result<Option<LeadView>, StoreError> {
        Ok(self.0.view(lead))
    }

    async fn changed(
        &self,
        seen: &LeadView,
        wait: Duration,
    ) -> Result<Option<LeadView>, StoreError> {
        self.0.wait_for_news(seen, wait).await;
        Ok(self.0.view(seen.lead))
    }

    async fn fold(&self, offset: u64, record: &LeadRecord) -> Result<Folded, StoreError> {
        self.0.fold(offset, record)
    }

    async fn open(&self, partition: u16) -> Result<Vec<Arc<LeadState>>, StoreError> {
        let open = self.0.open.of(usize::from(partition));
        let states = open.into_iter().filter_map(|lead| self.0.view(lead)?.state);
        Ok(states.collect())
    }
}
