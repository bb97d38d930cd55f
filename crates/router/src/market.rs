//! A catalog generation as the router uses it: each contract with the connection pool it is called
//! through. Pools belong to a buyer and an origin, so contracts of one buyer share them, and so do
//! generations.
//!
//! A request takes the market of its time and keeps it to the end of its lead.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use auction::Slot;
use callout::{Origin, Pool, PoolLimits, Target};
use catalog::{Campaign, Delivery, Disclosure, Snapshot};
use domain::{CampaignName, Clock, ContractName, PublisherName};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use telemetry::Metrics;
use url::Url;

use crate::gate::{Fuse, Gatekeeper, Gates};
use crate::history::Histories;
use crate::lasting::Lasting;
use httpd::Rate;

/// How long a call waits for a place among a buyer's connections.
const WAIT: Duration = Duration::from_secs(1);

/// A URL of a contract, ready to be called.
pub(crate) struct Callee {
    pool: Arc<Pool>,
    uri: Uri,
    host: HeaderValue,
    headers: HeaderMap,
    longest: usize,
}

impl Callee {
    pub(crate) fn target(&self) -> Target<'_> {
        Target {
            pool: &self.pool,
            uri: &self.uri,
            host: &self.host,
            headers: &self.headers,
            longest: self.longest,
        }
    }
}

/// Both URLs of a contract; no ping URL where it is not pinged.
pub(crate) struct Callees {
    pub(crate) ping: Option<Callee>,
    pub(crate) post: Callee,
}

/// A campaign with its contracts' callees, by slot.
pub(crate) struct Stall {
    pub(crate) campaign: Arc<Campaign>,
    pub(crate) histories: Histories,
    pub(crate) gates: Gates,
    callees: Vec<Callees>,
}

impl Stall {
    pub(crate) fn callees(&self, slot: Slot) -> Option<&Callees> {
        self.callees.get(slot.0)
    }

    pub(crate) fn delivery(&self, slot: Slot) -> Option<&Delivery> {
        self.campaign.deliveries.get(slot.0)
    }
}

/// A URL of the catalog cannot be called.
#[derive(Debug, thiserror::Error)]
#[error("the URL {url} of contract {contract} cannot be called: {why}")]
pub struct MarketError {
    contract: String,
    url: String,
    why: String,
}

/// All campaigns of a generation.
pub(crate) struct Market {
    pub(crate) snapshot: Arc<Snapshot>,
    stalls: HashMap<CampaignName, Arc<Stall>>,
    lasting: Lasting,
}

impl Market {
    /// The market of a generation that takes the place of another's.
    pub(crate) fn new(
        snapshot: Arc<Snapshot>,
        before: Option<&Self>,
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Result<Self, MarketError> {
        let tls = callout::connector();
        let nothing = Lasting::default();
        let before = before.map_or(&nothing, |market| &market.lasting);
        let mut lasting = Lasting::default();
        let gatekeeper = Gatekeeper {
            snapshot: &snapshot,
            before,
            clock,
            metrics,
        };
        let mut stalls = HashMap::new();
        for (name, campaign) in &snapshot.campaigns {
            let mut callees = Vec::with_capacity(campaign.deliveries.len());
            for (terms, delivery) in campaign.book.terms().iter().zip(&campaign.deliveries) {
                let mut callee = |url: &Url| {
                    let failed = |why: String| MarketError {
                        contract: terms.contract.to_string(),
                        url: url.to_string(),
                        why,
                    };
                    let origin = Origin::of(url).ok_or_else(|| failed("no host".to_owned()))?;
                    let limits = PoolLimits {
                        connections: delivery.pool.connections,
                        wait: WAIT,
                        connect: delivery.pool.connect_timeout,
                        idle: delivery.pool.idle_timeout,
                    };
                    let key = (terms.buyer.clone(), origin.clone());
                    let pool = lasting.pools.take(&before.pools, key, limits, || {
                        Pool::new(origin, limits, tls.clone(), Arc::clone(clock))
                    });
                    compile(url, pool, delivery).map_err(failed)
                };
                let ping = delivery.ping_url.as_ref().map(&mut callee).transpose()?;
                callees.push(Callees {
                    ping,
                    post: callee(&delivery.post_url)?,
                });
            }
            let histories = Histories::new(&campaign.book, before.histories.get(name));
            lasting.histories.insert(name.clone(), histories.clone());
            stalls.insert(
                name.clone(),
                Arc::new(Stall {
                    campaign: Arc::clone(campaign),
                    histories,
                    gates: gatekeeper.gates(&campaign.book, &campaign.deliveries, &mut lasting),
                    callees,
                }),
            );
        }
        for publisher in snapshot.publishers.values() {
            let Some(per_second) = publisher.requests_per_s else {
                continue;
            };
            let name = publisher.name.clone();
            let make = || Arc::new(Rate::new(per_second, clock));
            let requests = &mut lasting.requests;
            requests.take(&before.requests, name, per_second, make);
        }
        Ok(Self {
            snapshot,
            stalls,
            lasting,
        })
    }

    /// Counts a request of a publisher.
    ///
    /// # Errors
    /// It is one too many; there is room for it after this time.
    pub(crate) fn request_of(&self, publisher: &PublisherName) -> Result<(), Duration> {
        let rate = self.lasting.requests.get(publisher);
        rate.map_or(Ok(()), |rate| rate.take())
    }

    /// A campaign's own name for what a path said; none if there is none.
    pub(crate) fn campaign_named(&self, said: &str) -> Option<CampaignName> {
        Some(self.stall(said)?.campaign.name.clone())
    }

    /// What a campaign discloses; nothing if it is gone.
    pub(crate) fn disclosure_of(&self, campaign: &str) -> Disclosure {
        self.stall(campaign)
            .map_or(Disclosure::None, |stall| stall.campaign.disclosure)
    }

    /// All breakers, by contract and the way to call it.
    pub(crate) fn fuses(
        &self,
    ) -> impl Iterator<Item = (&(ContractName, &'static str), &Arc<Fuse>)> {
        self.lasting.breakers.iter()
    }

    /// One of them.
    pub(crate) fn breaker(&self, key: &(ContractName, &'static str)) -> Option<&Fuse> {
        self.lasting.breakers.get(key).map(|fuse| &**fuse)
    }

    /// What contracts did lately, by campaign.
    pub(crate) fn histories(&self) -> impl Iterator<Item = &Histories> {
        self.lasting.histories.values()
    }

    pub(crate) fn stall(&self, campaign: &str) -> Option<&Arc<Stall>> {
        self.stalls.get(campaign)
    }
}

fn compile(url: &Url, pool: Arc<Pool>, delivery: &Delivery) -> Result<Callee, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &delivery.headers {
        let name: HeaderName = name
            .parse()
            .map_err(|_| format!("header {name}: not a name"))?;
        let value =
            HeaderValue::from_str(value).map_err(|_| format!("header {name}: not a value"))?;
        headers.append(name, value);
    }
    let path = url.query().map_or(url.path().to_owned(), |query| {
        format!("{}?{query}", url.path())
    });
    let host = callout::host(url).ok_or("no host")?;
    Ok(Callee {
        pool,
        uri: path.parse::<Uri>().map_err(|error| error.to_string())?,
        host,
        headers,
        longest: delivery.pool.answer_bytes,
    })
}
