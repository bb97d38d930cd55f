//! How the worker paces itself.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use attribution::Rules;

use crate::Told;

/// The worker's limits and pauses.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of this process, as in the records it writes.
    pub instance: u64,
    /// How many records make a batch full.
    pub max_records: usize,
    /// How many bytes of records do.
    pub max_bytes: usize,
    /// How far apart batches of rows begin, unless they are full. An insert of one row costs the engine what one
    /// of hundreds does.
    pub batch_every: Duration,
    /// How long after its record a lead is advanced. The sync that wakes the worker lets the lead's answer go, and
    /// that is not to find the worker on its core.
    pub leads_after: Duration,
    /// How far apart rows are settled and their records committed. Longer costs less, and a restart
    /// writes as much again.
    pub settle_every: Duration,
    /// How far apart the tables are looked at for what was inserted.
    pub audit_every: Duration,
    /// How long rows that another process writes may be missing before the auditor says so.
    pub audit_patience: Duration,
    /// How long to wait for a record before looking at the clock; so often the lag is told, too.
    pub idle: Duration,
    /// How often time gets to end leads whose router is silent.
    pub overdue_every: Duration,
    /// The pause after a failure; it doubles up to `longest_pause`.
    pub first_pause: Duration,
    /// The longest pause between two attempts.
    pub longest_pause: Duration,
    /// How many journeys a batch judges anew, beside its records, where the rules have changed.
    pub walk: usize,
    /// What the catalog says: a batch takes the policy of its time.
    pub policy: Arc<ArcSwap<Policy>>,
}

/// What of the catalog concerns the worker.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// How far conversions look back, and what is paid for them.
    pub rules: Rules,
    /// Which publishers are told of their conversions.
    pub told: Told,
}

impl Options {
    /// The usual pace.
    pub fn new(instance: u64) -> Self {
        Self {
            instance,
            max_records: 20_000,
            max_bytes: 32 << 20,
            batch_every: Duration::from_millis(1500),
            leads_after: Duration::from_millis(20),
            settle_every: Duration::ZERO,
            audit_every: Duration::from_secs(5),
            audit_patience: Duration::from_secs(600),
            idle: Duration::from_millis(500),
            overdue_every: Duration::from_secs(1),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
            walk: 1_000,
            policy: Arc::default(),
        }
    }
}
