//! All counters, in shards by the buyer, or the campaign, that they belong to.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use domain::{CounterKey, CounterUse, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use super::counter::Counter;

/// When a counter that is past its time, and still pinned, is looked at again.
const AGAIN: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct Shard {
    /// Where in `counters` a name is.
    index: HashMap<CounterKey, usize>,
    counters: Vec<Counter>,
    /// Places of counters that are forgotten.
    free: Vec<usize>,
    /// When to look whether a counter is over.
    checks: BTreeSet<(Timestamp, CounterKey)>,
}

pub(super) struct Counters {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

/// The locked shards of some counters.
pub(super) struct Locked<'a> {
    counters: &'a Counters,
    shards: Vec<(usize, MutexGuard<'a, Shard>)>,
}

impl Counters {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..shards).map(|_| Mutex::default()).collect(),
        }
    }

    fn shard_of(&self, key: &CounterKey) -> usize {
        self.hasher.hash_one(key.owner.group()) as usize % self.shards.len()
    }

    /// Locks the shards of all these counters, in order.
    pub(super) fn lock<'u>(&self, uses: impl Iterator<Item = &'u CounterUse>) -> Locked<'_> {
        let mut needed: Vec<usize> = uses.map(|take| self.shard_of(&take.key)).collect();
        needed.sort_unstable();
        needed.dedup();
        Locked {
            counters: self,
            shards: needed
                .into_iter()
                .map(|shard| (shard, self.shards[shard].lock()))
                .collect(),
        }
    }

    pub(super) fn reserved(&self, key: &CounterKey, now: Timestamp) -> i64 {
        let mut shard = self.shards[self.shard_of(key)].lock();
        let Some(at) = shard.index.get(key).copied() else {
            return 0;
        };
        let counter = &mut shard.counters[at];
        counter.sweep(now);
        counter.reserved()
    }

    pub(super) fn restore(&self, key: CounterKey, counter: Counter) {
        let mut shard = self.shards[self.shard_of(&key)].lock();
        shard.insert(key, counter);
    }
}

impl Locked<'_> {
    /// The counter of this use, made if it is new. It must be one of those locked.
    pub(super) fn entry(&mut self, take: &CounterUse, now: Timestamp) -> &mut Counter {
        let at = match self.shards.as_slice() {
            [_] => 0,
            shards => {
                let wanted = self.counters.shard_of(&take.key);
                let at = shards.iter().position(|(shard, _)| *shard == wanted);
                at.unwrap_or_default()
            }
        };
        let shard = &mut *self.shards[at].1;
        let at = match shard.index.get(&take.key) {
            Some(at) => *at,
            None => {
                shard.forget_past(now);
                let counter = Counter::new(take.key.meter.window(), now);
                shard.insert(take.key.clone(), counter)
            }
        };
        let counter = &mut shard.counters[at];
        counter.touched = counter.touched.max(now);
        counter
    }
}

impl Shard {
    fn insert(&mut self, key: CounterKey, counter: Counter) -> usize {
        if let Some(due) = counter.check_at() {
            self.checks.insert((due, key.clone()));
        }
        let at = match self.free.pop() {
            Some(at) => {
                self.counters[at] = counter;
                at
            }
            None => {
                self.counters.push(counter);
                self.counters.len() - 1
            }
        };
        self.index.insert(key, at);
        at
    }

    /// Drops windows of the past; a new counter is the occasion, as there is one a window.
    fn forget_past(&mut self, now: Timestamp) {
        while let Some((due, _)) = self.checks.first() {
            if *due > now {
                return;
            }
            let Some((_, key)) = self.checks.pop_first() else {
                return;
            };
            let Some(at) = self.index.get(&key).copied() else {
                continue;
            };
            let counter = &self.counters[at];
            if counter.is_over(now) {
                self.index.remove(&key);
                self.free.push(at);
            } else {
                // Used since, or pinned still: looked at again when that may have changed.
                let next = counter.check_at().filter(|due| *due > now);
                self.checks.insert((next.unwrap_or(now.plus(AGAIN)), key));
            }
        }
    }
}
