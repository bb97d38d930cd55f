//! All counters, in shards by what stands before the period in their names.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use domain::{CapWindow, CounterUse, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use super::counter::Counter;

/// How long a window of the past is kept after its last use.
const KEPT: Duration = Duration::from_secs(48 * 3600);

#[derive(Default)]
struct Shard {
    /// Where in `counters` a name is.
    index: HashMap<String, usize>,
    counters: Vec<Counter>,
    /// Places of counters that are forgotten.
    free: Vec<usize>,
    /// When to look whether a counter is over.
    checks: VecDeque<(Timestamp, String)>,
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

    fn shard_of(&self, name: &str) -> usize {
        let scope = name.rsplit_once('/').map_or(name, |(scope, _)| scope);
        self.hasher.hash_one(scope) as usize % self.shards.len()
    }

    /// Locks the shards of all these counters, in order.
    pub(super) fn lock<'u>(&self, uses: impl Iterator<Item = &'u CounterUse>) -> Locked<'_> {
        let mut needed: Vec<usize> = uses.map(|take| self.shard_of(&take.counter)).collect();
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

    pub(super) fn reserved(&self, name: &str, now: Timestamp) -> i64 {
        let mut shard = self.shards[self.shard_of(name)].lock();
        let Some(at) = shard.index.get(name).copied() else {
            return 0;
        };
        let counter = &mut shard.counters[at];
        counter.sweep(now);
        counter.reserved()
    }

    pub(super) fn restore(&self, name: String, counter: Counter) {
        let mut shard = self.shards[self.shard_of(&name)].lock();
        shard.check_later(&name, counter.window, counter.touched);
        shard.insert(name, counter);
    }
}

impl Locked<'_> {
    /// The counter of this use, made if it is new. It must be one of those locked.
    pub(super) fn entry(&mut self, take: &CounterUse, now: Timestamp) -> &mut Counter {
        let at = match self.shards.as_slice() {
            [_] => 0,
            shards => {
                let wanted = self.counters.shard_of(&take.counter);
                let at = shards.iter().position(|(shard, _)| *shard == wanted);
                at.unwrap_or_default()
            }
        };
        let shard = &mut *self.shards[at].1;
        let at = match shard.index.get(&take.counter) {
            Some(at) => *at,
            None => {
                shard.forget_past(now);
                shard.check_later(&take.counter, take.window, now);
                shard.insert(take.counter.clone(), Counter::new(take.window, now))
            }
        };
        let counter = &mut shard.counters[at];
        counter.touched = counter.touched.max(now);
        counter
    }
}

impl Shard {
    fn insert(&mut self, name: String, counter: Counter) -> usize {
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
        self.index.insert(name, at);
        at
    }

    fn check_later(&mut self, name: &str, window: CapWindow, now: Timestamp) {
        if window == CapWindow::Day {
            self.checks.push_back((now.plus(KEPT), name.to_owned()));
        }
    }

    /// Drops windows of the past; a new counter is the occasion, as there is one a day.
    fn forget_past(&mut self, now: Timestamp) {
        for _ in 0..self.checks.len() {
            let Some((due, name)) = self.checks.pop_front() else {
                return;
            };
            if due > now {
                self.checks.push_front((due, name));
                return;
            }
            match self.index.get(&name).copied() {
                Some(at) if self.counters[at].is_over(now.minus(KEPT)) => {
                    self.index.remove(&name);
                    self.free.push(at);
                }
                Some(_) => self.checks.push_back((now.plus(KEPT), name)),
                None => {}
            }
        }
    }
}
