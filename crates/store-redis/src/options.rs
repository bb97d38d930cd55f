//! What one node has to know of the Redis it shares with the others.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, LeadId};
use store::{Limits, Span};

/// Where Redis is, and how long it is waited for. The address may hold a password, so it is never printed.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://[user:password@]host:port[/database]`; `rediss://` is encrypted.
    pub url: String,
    /// File with the authorities to trust where it is encrypted; none trusts the system's.
    pub authorities: Option<PathBuf>,
    /// What every key begins with: two deployments with different ones may share a server. Small letters, digits,
    /// `-`, `_` and `.`.
    pub prefix: String,
    /// This process, and no other one before or beside it.
    pub instance: String,
    /// Partitions of the log's topics.
    pub partitions: u16,
    /// How long a connection may take to be made.
    pub connect_within: Duration,
    /// How long a call may take, with all it needs: what comes later is not waited for.
    pub answer_within: Duration,
    /// Calls on their way at once; one more waits, within its time.
    pub calls: usize,
    /// How many may wait for news of a lead at once; one more is answered at once.
    pub waiters: usize,
    /// Most bytes of answers to pings that are kept for retries, of all nodes together.
    pub quote_bytes: u64,
    /// A journey is forgotten when its last event is older.
    pub journeys_kept: Span,
    /// How much of one identity is kept.
    pub journeys: Limits,
    /// Whose time is the store's: its server's, read inside each script. A test has one of its own.
    pub clock: Option<Arc<dyn Clock>>,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            authorities: None,
            prefix: "gavel".to_owned(),
            instance: "1".to_owned(),
            partitions: 4,
            connect_within: Duration::from_secs(1),
            answer_within: Duration::from_secs(1),
            calls: 1024,
            waiters: 10_000,
            quote_bytes: 1 << 30,
            // The longest window, the lateness allowed, and the log's retention.
            journeys_kept: Span::of(Duration::from_secs(44 * 24 * 3600)),
            journeys: Limits {
                entries: 10_000,
                visitors: 10,
                ties: 1_000,
            },
            clock: None,
        }
    }
}

impl RedisOptions {
    /// Whether the prefix can stand in a hash tag.
    pub(crate) fn has_prefix(&self) -> bool {
        let allowed =
            |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-_.".contains(&it);
        !self.prefix.is_empty() && self.prefix.bytes().all(allowed)
    }

    /// The partition that has a lead's records.
    pub(crate) fn partition(&self, lead: LeadId) -> u16 {
        let partitions = u64::from(self.partitions.max(1));
        u16::try_from(store::key::lead(lead) % partitions).unwrap_or(0)
    }
}
