//! The configuration of one process: addresses, directories, limits, secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::{ClickHouse, Cluster, Keep, KeyDigest};

/// Everything a process is told before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: Listen,
    /// Where its files live.
    pub data_dir: PathBuf,
    /// Where its catalog comes from.
    pub catalog: CatalogSource,
    /// The embedded ClickHouse.
    pub engine: Engine,
    /// A ClickHouse server to use instead of the embedded one.
    pub clickhouse: Option<ClickHouse>,
    /// How long rows of its tables stay.
    pub keep: Keep,
    /// What is shared with other nodes; none: all is on this machine.
    pub cluster: Option<Cluster>,
    /// Master keys; none: they are made in `data_dir` on the first start.
    pub secrets: Option<Secrets>,
    /// The log on disk.
    pub log: LogConfig,
    /// Limits of the HTTP side.
    pub limits: Limits,
    /// Where clicks of unknown links go.
    pub fallback_url: Option<Url>,
    /// Digests of the operators' keys.
    pub admin_keys: Vec<KeyDigest>,
}

/// Addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// Publishers, buyers, clicks.
    pub public: SocketAddr,
    /// Health and metrics.
    pub operator: SocketAddr,
}

/// The catalog file and the values of its `${..}` variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogSource {
    /// The file.
    pub file: PathBuf,
    /// Values by name.
    pub vars: BTreeMap<String, String>,
}

/// The embedded ClickHouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Where its HTTP interface listens.
    pub listen: SocketAddr,
    /// `libchdb.so`; none: where `gavel engine fetch` put it.
    pub lib: Option<PathBuf>,
}

/// Master keys, 32 bytes each.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// The number of this set of keys.
    pub key_id: u32,
    /// Seals personal data.
    pub sealing: Secret<[u8; 32]>,
    /// Hashes personal data.
    pub hashing: Secret<[u8; 32]>,
    /// Seals quotes.
    pub quotes: Secret<[u8; 32]>,
    /// Signs click and visitor ids.
    pub tracking: Secret<[u8; 32]>,
}

/// A value that never shows in a log line.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(pub T);

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The log on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// How long segments that nobody needs are kept.
    pub retention: Duration,
    /// Admission stops when less than this is free on the disk.
    pub reserve_bytes: u64,
}

/// Limits of the HTTP side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body.
    pub body_bytes: usize,
    /// Open connections at most.
    pub connections: usize,
    /// Requests worked on at the same time, at most; more are refused with 503.
    pub requests: usize,
    /// A request's head and body have to arrive within this.
    pub read_timeout: Duration,
    /// After SIGTERM, work in progress gets this long.
    pub drain_timeout: Duration,
    /// A lead is its router's for so long after its deadline, without a sign of life.
    pub lease: Duration,
}
