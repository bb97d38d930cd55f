//! What is forgotten after its time, in the order in which it falls due. Every call that adds something
//! takes a few things away, so memory follows the traffic of that time without a timer or a full scan. What
//! the archive takes from memory before that leaves nothing here.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use domain::{LeadId, Timestamp};
use parking_lot::Mutex;

use super::key::KeyHash;

/// How long a lead's answer is kept.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How long the whole state of a lead that has ended is at hand: publishers who ask do so soon.
pub(super) const WARM: Duration = Duration::from_secs(60);
/// Things looked at per call: more than one call can add.
const STEP: usize = 4;

/// Leads that ended, or that nobody ever wrote a record of.
#[derive(Debug, Default)]
pub(super) struct Leads(Mutex<BTreeSet<(Timestamp, LeadId)>>);

impl Leads {
    /// To be looked at when `due`.
    pub(super) fn push(&self, due: Timestamp, lead: LeadId) {
        self.0.lock().insert((due, lead));
    }

    /// Not any more.
    pub(super) fn remove(&self, due: Timestamp, lead: LeadId) {
        self.0.lock().remove(&(due, lead));
    }

    /// A few that are due by now.
    pub(super) fn due(&self, now: Timestamp) -> Vec<LeadId> {
        let mut leads = self.0.lock();
        let mut due = Vec::new();
        while due.len() < STEP && leads.first().is_some_and(|(at, _)| *at <= now) {
            due.extend(leads.pop_first().map(|(_, lead)| lead));
        }
        due
    }
}

/// Answers of pings, oldest first, within a limit of bytes: past it the oldest go early, and a retry
/// of such a ping is a ping of its own.
#[derive(Debug)]
pub(super) struct Quotes {
    most_bytes: usize,
    queue: Mutex<QuoteQueue>,
}

#[derive(Debug, Default)]
struct QuoteQueue {
    bytes: usize,
    queue: VecDeque<(Timestamp, KeyHash, usize)>,
}

impl Quotes {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            queue: Mutex::default(),
        }
    }

    /// Adds one that is kept until `due`, and gives those that have to go at `now`.
    pub(super) fn push(
        &self,
        due: Timestamp,
        key: KeyHash,
        bytes: usize,
        now: Timestamp,
    ) -> Vec<(Timestamp, KeyHash)> {
        let mut guard = self.queue.lock();
        let quotes = &mut *guard;
        quotes.bytes += bytes;
        quotes.queue.push_back((due, key, bytes));
        let mut gone = Vec::new();
        while gone.len() < STEP
            && quotes
                .queue
                .front()
                .is_some_and(|(at, _, _)| *at <= now || quotes.bytes > self.most_bytes)
        {
            if let Some((due, key, bytes)) = quotes.queue.pop_front() {
                quotes.bytes -= bytes;
                gone.push((due, key));
            }
        }
        gone
    }
}
