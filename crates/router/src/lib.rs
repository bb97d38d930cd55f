//! The publisher and buyer API, and the loops that perform what the auction decides.
//!
//! `call` answers requests; `round` and `climb` run the two machines of crate `auction`: they
//! are the only places with a socket to a buyer, a sleep or a retry. From admission on a lead runs
//! in a task of its own, on the lead runtime, and its connection only awaits the answer.
#![forbid(unsafe_code)]

mod answer;
mod attempt;
mod away;
mod call;
mod catalogs;
mod climb;
mod consumer;
mod disclose;
mod finder;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod history;
mod http;
mod inspect;
mod lasting;
mod lately;
mod lead;
mod lookup;
mod market;
mod ping;
mod pinging;
mod post;
mod quote;
mod records;
mod refusal;
mod replay;
#[doc(hidden)]
pub mod rerun;
mod round;
mod settle;
mod stock;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use catalog::Snapshot;
use domain::{Clock, Entropy, TrackKey};
use store::{Backend, Sealer};
use telemetry::Metrics;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use catalogs::{Catalogs, Pending, Put, PutError};
pub use finder::{Finder, Finding, Found};
pub use http::{AUCTIONS, RouterService, endpoints};
pub use lately::LatelyMember;
pub use market::MarketError;
pub use quote::QuoteKey;

use market::Market;
use stock::Stock;

/// The secrets of a router.
pub struct Keys {
    /// Seals personal data and hashes it.
    pub sealer: Arc<Sealer>,
    /// Seals quotes.
    pub quotes: QuoteKey,
    /// Signs click ids.
    pub tracking: TrackKey,
}

/// What a router is given by the binary.
pub struct Parts<B> {
    /// The stores.
    pub backend: B,
    /// The catalog.
    pub snapshot: Arc<Snapshot>,
    /// Secrets.
    pub keys: Keys,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where leads are found by what their publishers call them.
    pub finder: Arc<dyn Finder>,
    /// Where generations of the catalog are.
    pub catalogs: Arc<dyn Catalogs>,
    /// Metrics.
    pub metrics: Metrics,
    /// Number of this process, in its records.
    pub instance: u64,
    /// The runtime that leads run on.
    pub runtime: Handle,
    /// Leads worked on at once, at most; more are refused with 503.
    pub leads: usize,
    /// An admission holds this much longer than its deadline without a sign of life.
    pub lease: Duration,
}

/// Another generation, ready to be obeyed.
pub struct Change(Arc<Market>);

/// The router. Shared by all connections.
pub struct Router<B: Backend> {
    backend: B,
    market: ArcSwap<Market>,
    sealer: Arc<Sealer>,
    quotes: QuoteKey,
    tracking: TrackKey,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    finder: Arc<dyn Finder>,
    catalogs: Arc<dyn Catalogs>,
    metrics: Metrics,
    instance: u64,
    runtime: Handle,
    tasks: TaskTracker,
    stopped: CancellationToken,
    places: Arc<Semaphore>,
    lease: Duration,
    stock: Stock,
}

impl<B: Backend> Router<B> {
    /// A router over these parts.
    ///
    /// # Errors
    /// A URL or header of the catalog cannot be called.
    pub fn new(parts: Parts<B>) -> Result<Arc<Self>, MarketError> {
        let market = Market::new(parts.snapshot, None, &parts.clock, &parts.metrics)?;
        Ok(Arc::new(Self {
            backend: parts.backend,
            market: ArcSwap::from_pointee(market),
            sealer: parts.keys.sealer,
            quotes: parts.keys.quotes,
            tracking: parts.keys.tracking,
            clock: parts.clock,
            entropy: parts.entropy,
            finder: parts.finder,
            catalogs: parts.catalogs,
            metrics: parts.metrics,
            instance: parts.instance,
            runtime: parts.runtime,
            tasks: TaskTracker::new(),
            stopped: CancellationToken::new(),
            places: Arc::new(Semaphore::new(parts.leads)),
            lease: parts.lease,
            stock: Stock::default(),
        }))
    }

    /// Makes ready for another generation; nothing changes yet.
    ///
    /// # Errors
    /// A URL or header of the catalog cannot be called.
    pub fn prepare(&self, snapshot: Arc<Snapshot>) -> Result<Change, MarketError> {
        let before = self.market.load_full();
        let market = Market::new(snapshot, Some(&before), &self.clock, &self.metrics)?;
        Ok(Change(Arc::new(market)))
    }

    /// From now on requests come under the generation that was prepared, on top of the one that is in
    /// force. What is in progress ends under the one it began with.
    pub fn change(&self, change: Change) {
        self.market.store(change.0);
    }

    /// Waits until all leads and pings in progress have ended, at most `limit`. Those that had not, so
    /// many, are given up where they are: the log says what becomes of them.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.tasks.close();
        let ended = tokio::time::timeout(limit, self.tasks.wait()).await;
        let left = ended.map_or_else(|_| self.tasks.len(), |()| 0);
        self.stopped.cancel();
        left
    }

    /// Leads and pings in progress.
    pub fn in_progress(&self) -> usize {
        self.tasks.len()
    }
}

/// A stable name for something that must not be known by its own: 12 hex digits of a keyed hash.
fn pseudonym(sealer: &Sealer, domain: &str, clear: &str) -> String {
    let hash = sealer.hash(domain, clear.as_bytes());
    data_encoding::HEXLOWER.encode(&hash[..6])
}
