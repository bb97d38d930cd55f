//! The tracking intake: clicks, impressions and conversions, into the log.
//!
//! A click is written to the log before its visitor is sent on; a conversion is durable before its
//! sender hears so. What is recorded holds no personal data: addresses are cut and hashed,
//! referrers lose their query, and of a link's parameters only sub ids and ad click ids are kept.
#![forbid(unsafe_code)]

mod address;
mod agent;
mod append;
mod conversion;
mod event;
mod expand;
mod fallback;
mod fields;
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod inflate;
mod last;
mod members;
mod params;
mod phones;
mod pixel;
mod rates;
mod recent;
mod route;
mod scrub;
mod seen;
mod signature;
mod visitor;

use std::sync::Arc;

use arc_swap::ArcSwap;
use catalog::Snapshot;
use domain::{Clock, Entropy, TrackKey};
use http::HeaderName;
use httpd::{Audience, Reply, Request, Service};
use store::{Backend, Sealer};
use telemetry::{Count, Metrics};
use tokio::sync::Semaphore;
use url::Url;

use rates::Rates;
use recent::Recent;
use route::Route;

pub use route::endpoints;

/// Batches worked on at the same time: each may take some megabytes once it is decoded.
const BATCHES: usize = 16;

/// What an edge is given by the binary.
pub struct Parts<B> {
    /// The stores; only the log is used.
    pub backend: B,
    /// The catalog in force.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Signs click and visitor ids.
    pub tracking: TrackKey,
    /// Hashes addresses and keys.
    pub sealer: Arc<Sealer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for ids.
    pub entropy: Arc<dyn Entropy>,
    /// Metrics.
    pub metrics: Metrics,
    /// Where clicks go that have no better place.
    pub fallback_url: Option<Url>,
    /// A header in which an own proxy names the visitor's country.
    pub country_header: Option<HeaderName>,
}

/// The edge. Shared by all connections.
pub struct Edge<B> {
    parts: Parts<B>,
    recent: Recent,
    clicks: Clicks,
    /// Batches of publishers.
    rates: Rates,
    /// Places for batches that are worked on.
    batches: Semaphore,
}

/// Clicks by what became of them.
struct Clicks {
    logged: Count,
    flagged: Count,
    unlogged: Count,
}

impl Clicks {
    fn of(metrics: &Metrics) -> Self {
        let clicks = |result| metrics.counter(telemetry::EDGE_CLICKS, [result]);
        Self {
            logged: clicks("logged"),
            flagged: clicks("flagged"),
            unlogged: clicks("unlogged"),
        }
    }
}

impl<B: Backend> Edge<B> {
    /// An edge over these parts.
    pub fn new(parts: Parts<B>) -> Arc<Self> {
        Arc::new(Self {
            clicks: Clicks::of(&parts.metrics),
            parts,
            recent: Recent::default(),
            rates: Rates::default(),
            batches: Semaphore::new(BATCHES),
        })
    }
}

/// Whether a path is the edge's: for a listener that it shares.
pub fn claims(path: &str) -> bool {
    Route::find(path).is_some() || for_people(path)
}

/// Where consumers come, by links that may have been mangled on the way: they are never shown JSON.
fn for_people(path: &str) -> bool {
    path.starts_with("/c/") || path.starts_with("/i/") || path.starts_with("/p.gif")
}

impl<B: Backend> Service for Edge<B> {
    fn call(&self, request: Request) -> impl Future<Output = Reply> + Send {
        route::call(self, request)
    }

    fn audience(&self, path: &str) -> Audience {
        match for_people(path) {
            true => Audience::Person,
            false => Audience::Program,
        }
    }
}
