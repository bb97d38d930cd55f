//! The Kafka and the Redis that nodes share, as their configurations name them.

use std::net::SocketAddr;

use crate::Dice;
use crate::service::DATABASE;

/// What all nodes of a cluster are told alike.
#[derive(Debug, Clone)]
pub struct Shared {
    kafka: String,
    redis: String,
    /// What all names there begin with: two clusters may share the servers.
    name: String,
    keys: [String; 4],
    /// None: each node has an engine of its own.
    clickhouse: Option<SocketAddr>,
    /// Seconds; none: as the service has it.
    session: Option<u32>,
    /// The same.
    lease: Option<u32>,
}

impl Shared {
    /// Partitions of topics `events` and `leads`: fewer than a busy cluster has, and more than there are nodes.
    pub const PARTITIONS: u16 = 4;

    /// A cluster of its own on these servers.
    pub fn new(kafka: impl Into<String>, redis: impl Into<String>, dice: &mut Dice) -> Self {
        let mut key = || [dice.token(), dice.token(), dice.token(), dice.token()].concat();
        Self {
            kafka: kafka.into(),
            redis: redis.into(),
            keys: [key(), key(), key(), key()],
            name: format!("gavel-{}", dice.token()),
            clickhouse: None,
            session: None,
            lease: None,
        }
    }

    /// The ClickHouse of all nodes, if they have one.
    pub(crate) fn clickhouse(&self) -> Option<SocketAddr> {
        self.clickhouse
    }

    /// With this ClickHouse for all nodes.
    #[must_use]
    pub fn with_clickhouse(mut self, addr: SocketAddr) -> Self {
        self.clickhouse = Some(addr);
        self
    }

    /// A node that gives no sign of life for so many seconds has no partitions any more: for brokers that were told
    /// to take less than they do of themselves.
    #[must_use]
    pub fn with_session(mut self, seconds: u32) -> Self {
        self.session = Some(seconds);
        self
    }

    /// A lead whose router gives no sign of life may come again, and ends, so many seconds after its deadline.
    #[must_use]
    pub fn with_lease(mut self, seconds: u32) -> Self {
        self.lease = Some(seconds);
        self
    }

    /// What names of topics and groups begin with.
    pub fn prefix(&self) -> String {
        format!("{}.", self.name)
    }

    /// The tables of a node's configuration.
    pub(crate) fn config(&self) -> String {
        let Self {
            kafka,
            redis,
            name,
            keys: [sealing, hashing, quotes, tracking],
            clickhouse,
            session,
            lease,
        } = self;
        let prefix = self.prefix();
        let clickhouse = clickhouse.map_or_else(String::new, |addr| {
            format!("[clickhouse]\nurl = \"http://{addr}\"\ndatabase = \"{DATABASE}\"\n\n")
        });
        let partitions = Self::PARTITIONS;
        let session =
            session.map_or_else(String::new, |seconds| format!("session = \"{seconds}s\"\n"));
        let limits = lease.map_or_else(String::new, |seconds| {
            format!("[limits]\nlease = \"{seconds}s\"\n\n")
        });
        format!(
            "[kafka]\nbrokers = \"{kafka}\"\nprefix = \"{prefix}\"\npartitions = {partitions}\n\
             replicas = 1\n{session}\n[redis]\nurl = \"{redis}\"\nprefix = \"{name}\"\n\n[secrets]\n\
             sealing = \"{sealing}\"\nhashing = \"{hashing}\"\nquotes = \"{quotes}\"\n\
             tracking = \"{tracking}\"\n\n{limits}{clickhouse}"
        )
    }
}
