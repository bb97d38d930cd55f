//! Caps in process: counters, and the reservations that take from them.
//!
//! A reservation is `held -> pinned -> settled`. A held one ends by its expiry or a release, a pinned
//! one by a release or a settlement. Settled ones are kept until their lead is forgotten, so that a
//! settlement counts once however late it is repeated; once the lead has ended for everybody they are
//! closed, and nothing moves them any more: memory says so for some minutes, then the archive, which
//! has the lead. Locks: one shard of the reservations (by
//! lead), then the shards of the counters in order; a buyer's counters share one.

mod counter;
mod table;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use domain::{CounterKey, CounterUse, LeadId, Reservation, ReservationId, Timestamp, Usage};
use parking_lot::{Mutex, MutexGuard};
use store::{Caps, Held, Pinned, StoreError};

use crate::archive::Archive;
use crate::clock::StoreClock;
use counter::Counter;
use table::Counters;

/// A caller whose clock differs by more than this is not trusted with windows.
const MAX_SKEW: Duration = Duration::from_secs(2);
const SHARDS: usize = 64;
/// Expired reservations that one call cleans up.
const SWEEP: usize = 2;

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Held { expires: Timestamp },
    Pinned,
    Settled(Usage),
    Closed,
}

#[derive(Debug, Clone)]
struct Entry {
    phase: Phase,
    counters: Arc<[CounterUse]>,
}

impl Entry {
    fn is_expired(&self, now: Timestamp) -> bool {
        matches!(self.phase, Phase::Held { expires } if expires <= now)
    }
}

#[derive(Default)]
struct Shard {
    entries: HashMap<ReservationId, Entry>,
    /// Held ones by their expiry.
    expiring: BTreeSet<(Timestamp, ReservationId)>,
}

/// Caps of one machine.
#[derive(Clone)]
pub struct LocalCaps(Arc<Inner>);

struct Inner {
    clock: StoreClock,
    archive: Archive,
    reservations: Box<[Mutex<Shard>]>,
    counters: Counters,
}

impl LocalCaps {
    pub(crate) fn new(clock: StoreClock, archive: Archive) -> Self {
        Self(Arc::new(Inner {
            clock,
            archive,
            reservations: (0..SHARDS).map(|_| Mutex::default()).collect(),
            counters: Counters::new(SHARDS),
        }))
    }

    /// Recovery: a counter's committed part.
    pub(crate) fn restore_counter(&self, key: CounterKey, committed: i64, touched: Timestamp) {
        let mut counter = Counter::new(key.meter.window(), touched);
        counter.committed = committed;
        self.0.counters.restore(key, counter);
    }

    /// Recovery: a reservation that is pinned, or settled and counted already.
    pub(crate) fn restore(&self, reservation: &Reservation, settled: Option<Usage>) {
        let counters = merged(&reservation.counters);
        let phase = settled.map_or(Phase::Pinned, Phase::Settled);
        if phase == Phase::Pinned {
            let now = self.0.clock.now();
            let mut table = self.0.counters.lock(counters.iter());
            for take in counters.iter() {
                table.entry(take, now).pinned += take.amount;
            }
        }
        let mut shard = self.0.shard(reservation.id.lead);
        shard
            .entries
            .insert(reservation.id, Entry { phase, counters });
    }

    /// A lead with so many legs has ended for everybody: what its reservations came to is counted.
    pub(crate) fn close(&self, lead: LeadId, legs: u16) {
        let mut shard = self.0.shard(lead);
        for leg in 1..=legs {
            let id = ReservationId { lead, leg };
            let before = shard.entries.get(&id).map(|entry| entry.phase);
            if matches!(before, None | Some(Phase::Settled(_))) {
                let closed = Entry {
                    phase: Phase::Closed,
                    counters: Arc::default(),
                };
                shard.entries.insert(id, closed);
            }
        }
    }

    /// Forgets the settled reservations of a lead that is forgotten itself, or is in the archive.
    pub(crate) fn forget(&self, lead: LeadId, legs: u16) {
        let mut shard = self.0.shard(lead);
        for leg in 1..=legs {
            let id = ReservationId { lead, leg };
            let phase = shard.entries.get(&id).map(|entry| entry.phase);
            if matches!(phase, Some(Phase::Settled(_) | Phase::Closed)) {
                shard.entries.remove(&id);
            }
        }
    }
}

/// One use per counter.
fn merged(uses: &[CounterUse]) -> Arc<[CounterUse]> {
    let mut merged: Vec<CounterUse> = Vec::with_capacity(uses.len());
    for take in uses {
        match merged.iter_mut().find(|known| known.key == take.key) {
            Some(known) => {
                known.amount = known.amount.saturating_add(take.amount);
                known.limit = known.limit.min(take.limit);
            }
            None => merged.push(take.clone()),
        }
    }
    merged.into()
}

impl Inner {
    fn shard(&self, lead: LeadId) -> MutexGuard<'_, Shard> {
        // The last byte of an id is random.
        let [.., last] = *lead.as_bytes();
        self.reservations[usize::from(last) % SHARDS].lock()
    }

    /// Whether the archive has the lead of a reservation that memory does not know. A disk is read for
    /// it, under the lock, only if somebody comes back to a lead that ended some minutes ago.
    fn is_closed(&self, id: ReservationId) -> Result<bool, StoreError> {
        let ended = self.archive.lead(id.lead)?;
        Ok(ended.is_some_and(|ended| id.leg <= ended.legs))
    }

    fn held(
        &self,
        reservation: &Reservation,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<Held, StoreError> {
        let store_now = self.clock.now();
        if store_now.since(now) > MAX_SKEW || now.since(store_now) > MAX_SKEW {
            return Ok(Held::ClockSkew);
        }
        let id = reservation.id;
        let mut shard = self.shard(id.lead);
        self.sweep(&mut shard, store_now);
        let uses = merged(&reservation.counters);
        match shard.entries.get(&id) {
            Some(entry) if entry.is_expired(store_now) => {
                self.give_back(&mut shard, id, Usage::Nothing);
            }
            Some(entry) if matches!(entry.phase, Phase::Held { .. }) && entry.counters != uses => {
                // Another router's, from whom this one took the lead over: it may still pin it.
                return Ok(uses
                    .first()
                    .map_or(Held::Granted, |take| Held::Full(take.key.limit())));
            }
            Some(_) => return Ok(Held::Granted),
            None if self.is_closed(id)? => return Ok(Held::Granted),
            None => {}
        }
        let mut table = self.counters.lock(uses.iter());
        for take in uses.iter() {
            if !table
                .entry(take, store_now)
                .fits(take.amount, take.limit, store_now)
            {
                return Ok(Held::Full(take.key.limit()));
            }
        }
        for take in uses.iter() {
            table.entry(take, store_now).hold(id, expires, take.amount);
        }
        drop(table);
        shard.expiring.insert((expires, id));
        shard.entries.insert(
            id,
            Entry {
                phase: Phase::Held { expires },
                counters: uses,
            },
        );
        Ok(Held::Granted)
    }

    fn pinned(&self, id: ReservationId, now: Timestamp) -> Result<Pinned, StoreError> {
        let now = self.clock.now().max(now);
        let mut shard = self.shard(id.lead);
        let shard = &mut *shard;
        let Some(entry) = shard.entries.get_mut(&id) else {
            return Ok(match self.is_closed(id)? {
                true => Pinned::Pinned,
                false => Pinned::Expired,
            });
        };
        let Phase::Held { expires } = entry.phase else {
            return Ok(Pinned::Pinned);
        };
        let mut table = self.counters.lock(entry.counters.iter());
        // A counter that was full may have dropped the hold a moment ago.
        let whole = entry
            .counters
            .iter()
            .all(|take| table.entry(take, now).holds(id, expires));
        for take in entry.counters.iter() {
            let counter = table.entry(take, now);
            counter.drop_hold(id, expires);
            if whole && expires > now {
                counter.pinned += take.amount;
            }
        }
        drop(table);
        if whole && expires > now {
            entry.phase = Phase::Pinned;
            shard.expiring.remove(&(expires, id));
            Ok(Pinned::Pinned)
        } else {
            shard.entries.remove(&id);
            shard.expiring.remove(&(expires, id));
            Ok(Pinned::Expired)
        }
    }

    /// Ends a hold, or a pin of which this much is used. A settled reservation stays as it is.
    fn give_back(&self, shard: &mut Shard, id: ReservationId, usage: Usage) {
        let now = self.clock.now();
        let Some(entry) = shard.entries.get_mut(&id) else {
            return;
        };
        let mut table = self.counters.lock(entry.counters.iter());
        match entry.phase {
            Phase::Settled(_) | Phase::Closed => {}
            Phase::Pinned => {
                for take in entry.counters.iter() {
                    let counter = table.entry(take, now);
                    counter.pinned -= take.amount;
                    if take.is_used(usage) {
                        counter.committed += take.amount;
                    }
                }
                entry.phase = Phase::Settled(usage);
            }
            Phase::Held { expires } => {
                for take in entry.counters.iter() {
                    table.entry(take, now).drop_hold(id, expires);
                }
                shard.expiring.remove(&(expires, id));
                drop(table);
                shard.entries.remove(&id);
            }
        }
    }

    fn settled(&self, reservation: &Reservation, usage: Usage) -> Result<(), StoreError> {
        let now = self.clock.now();
        let id = reservation.id;
        let mut shard = self.shard(id.lead);
        let phase = shard.entries.get(&id).map(|entry| entry.phase);
        if phase == Some(Phase::Closed) || (phase.is_none() && self.is_closed(id)?) {
            return Ok(());
        }
        let before = shard.entries.remove(&id);
        if let Some(Phase::Held { expires }) = before.as_ref().map(|entry| entry.phase) {
            shard.expiring.remove(&(expires, id));
        }
        let (phase, was) = match before {
            Some(entry) => (Some(entry.phase), entry.counters),
            None => (None, Arc::default()),
        };
        // A reply may be folded before its own posting: it counts once its counters are known.
        let counters = match &reservation.counters {
            known if known.is_empty() || **known == *was => Arc::clone(&was),
            counters => merged(counters),
        };
        let mut table = self.counters.lock(was.iter().chain(counters.iter()));
        for take in was.iter() {
            let counter = table.entry(take, now);
            match phase {
                Some(Phase::Held { expires }) => counter.drop_hold(id, expires),
                Some(Phase::Pinned) => counter.pinned -= take.amount,
                Some(Phase::Settled(usage)) if take.is_used(usage) => {
                    counter.committed -= take.amount;
                }
                Some(Phase::Settled(_) | Phase::Closed) | None => {}
            }
        }
        for take in counters.iter().filter(|take| take.is_used(usage)) {
            table.entry(take, now).committed += take.amount;
        }
        drop(table);
        let phase = Phase::Settled(usage);
        shard.entries.insert(id, Entry { phase, counters });
        Ok(())
    }

    /// Forgets a few holds that have expired.
    fn sweep(&self, shard: &mut Shard, now: Timestamp) {
        for _ in 0..SWEEP {
            match shard.expiring.first() {
                Some(&(expires, id)) if expires <= now => {
                    self.give_back(shard, id, Usage::Nothing);
                }
                _ => return,
            }
        }
    }
}

impl Caps for LocalCaps {
    async fn hold(
        &self,
        reservation: &Reservation,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<Held, StoreError> {
        if reservation.counters.iter().any(|take| take.amount < 0) {
            return Err(StoreError::Corrupt("a negative amount of a cap".to_owned()));
        }
        self.0.held(reservation, now, expires)
    }

    async fn pin(&self, id: ReservationId, now: Timestamp) -> Result<Pinned, StoreError> {
        self.0.pinned(id, now)
    }

    async fn release(&self, id: ReservationId, usage: Usage) -> Result<(), StoreError> {
        let mut shard = self.0.shard(id.lead);
        self.0.give_back(&mut shard, id, usage);
        Ok(())
    }

    async fn settle(&self, reservation: &Reservation, usage: Usage) -> Result<(), StoreError> {
        self.0.settled(reservation, usage)
    }

    async fn used(&self, counters: &[CounterKey]) -> Result<Vec<i64>, StoreError> {
        let now = self.0.clock.now();
        Ok(counters
            .iter()
            .map(|key| self.0.counters.reserved(key, now))
            .collect())
    }
}
