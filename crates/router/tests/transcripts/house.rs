//! The service of a scenario: the real router and worker over a store in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use catalog::{KeyDigest, Snapshot};
use domain::{Clock, LeadReason, LeadStatus, Micros, PublisherName, Timestamp, TrackKey};
use httpd::{Host, Limits, Server};
use router::{
    Catalogs, Finder, Finding, Found, Keys, LatelyMember, Parts, Pending, Put, PutError, QuoteKey,
    Router, RouterService,
};
use store::{Backend as _, Lately as _, Sealer, Topic};
use store_local::{Local, LocalOptions};
use telemetry::Metrics;
use testkit::SeededEntropy;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use toml_edit::{DocumentMut, Item, Table, value};
use warehouse::{Batch, LeadRow, PostbackRow, Sought, WarehouseError};
use worker::{Options, Progress, Sink, Worker};

use crate::buyers::Buyers;
use crate::clock::SceneClock;

const BASE: &str = include_str!("house.toml");
/// The operator's key.
pub(crate) const ADMIN: &str = "the-secret-key-of-admin";
/// The worker looks at the clock this often.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) buyers: Buyers,
    pub(crate) router: Arc<Router<Local>>,
    /// Another router, who is not asked now.
    beside: Option<(Arc<Router<Local>>, SocketAddr)>,
    /// The routers that told one another what they learnt, each as who it takes part.
    sharing: Vec<(Arc<Router<Local>>, LatelyMember<Local>)>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) progress: Progress,
    pub(crate) kept: Kept,
}

/// What outlives a router.
pub(crate) struct Kept {
    pub(crate) clock: SceneClock,
    pub(crate) backend: Local,
    tables: Tables,
    pub(crate) generations: Generations,
    entropy: Arc<SeededEntropy>,
    metrics: Metrics,
    tasks: TaskTracker,
}

/// Rows of leads, which are all that the router asks for; what no transcript shows is not kept.
#[derive(Clone, Default)]
struct Tables(Arc<Mutex<BTreeMap<String, LeadRow>>>);

impl Finder for Tables {
    fn named<'a>(&'a self, publisher: &'a PublisherName, name: &'a str, most: u32) -> Finding<'a> {
        let rows = self.0.lock().unwrap();
        let mut found: Vec<Found> = rows
            .values()
            .filter(|row| row.publisher == publisher.as_str() && row.publisher_lead_id == name)
            .map(|row| Found {
                lead: row.lead_id.parse().unwrap(),
                campaign: row.campaign.clone(),
                status: LeadStatus::ALL
                    .into_iter()
                    .find(|status| status.as_str() == row.status)
                    .unwrap(),
                reason: LeadReason::ALL
                    .into_iter()
                    .find(|reason| reason.as_str() == row.reason),
                payout: Micros::new(row.payout.0),
                currency: row.currency.parse().ok(),
                test: row.test,
                received_at: Timestamp::from_micros(row.received_at.0),
                took_us: row.took_us,
            })
            .collect();
        found.sort_by_key(|lead| std::cmp::Reverse(lead.received_at));
        found.truncate(most as usize);
        Box::pin(std::future::ready(Ok(found)))
    }
}

/// The generations that a scenario had. They are put by its steps, not through the router.
#[derive(Clone, Default)]
pub(crate) struct Generations(Arc<Mutex<Vec<Arc<Snapshot>>>>);

impl Catalogs for Generations {
    fn check(&self, _: String) -> Pending<'_, Result<String, PutError>> {
        let none = PutError::Unavailable("a step puts catalogs".to_owned());
        Box::pin(std::future::ready(Err(none)))
    }

    fn put(&self, _: String, _: Option<String>) -> Pending<'_, Result<Put, PutError>> {
        let none = PutError::Unavailable("a step puts catalogs".to_owned());
        Box::pin(std::future::ready(Err(none)))
    }

    fn held<'a>(
        &'a self,
        generation: &'a str,
    ) -> Pending<'a, Result<Option<Arc<Snapshot>>, String>> {
        let all = self.all();
        let found = all.into_iter().find(|one| one.generation == generation);
        Box::pin(std::future::ready(Ok(found)))
    }
}

impl Generations {
    /// All of them, the present one included.
    pub(crate) fn all(&self) -> Vec<Arc<Snapshot>> {
        self.0.lock().unwrap().clone()
    }

    fn add(&self, snapshot: &Arc<Snapshot>) {
        self.0.lock().unwrap().push(Arc::clone(snapshot));
    }
}

impl Sink for Tables {
    async fn prepare(&self) -> Result<(), WarehouseError> {
        Ok(())
    }

    async fn insert(&self, batch: &Batch) -> Result<(), WarehouseError> {
        let mut rows = self.0.lock().unwrap();
        for row in &batch.leads {
            rows.insert(row.lead_id.clone(), row.clone());
        }
        Ok(())
    }

    async fn postbacks(&self, _: &[&str]) -> Result<Vec<PostbackRow>, WarehouseError> {
        Ok(Vec::new())
    }

    async fn held(
        &self,
        _: Sought,
        _: &[&str],
        _: Option<RangeInclusive<Timestamp>>,
    ) -> Result<u64, WarehouseError> {
        Ok(u64::MAX)
    }

    async fn letters(
        &self,
        _: Topic,
        _: u16,
        _: Range<u64>,
    ) -> Result<BTreeSet<u64>, WarehouseError> {
        Ok(BTreeSet::new())
    }
}

impl House {
    pub(crate) async fn open(catalog: &str, at: Timestamp) -> Self {
        let clock = SceneClock::at(at);
        let port = || Arc::new(clock) as Arc<dyn Clock>;
        let tasks = TaskTracker::new();
        let buyers = Buyers::open(clock, tasks.clone()).await;
        let snapshot = Arc::new(snapshot(catalog, buyers.address));
        let backend = Local::open(LocalOptions::default(), port()).unwrap();
        let metrics = Metrics::new();
        let tables = Tables::default();
        let options = Options {
            batch_every: Duration::ZERO,
            leads_after: Duration::ZERO,
            idle: LOOK,
            overdue_every: LOOK,
            ..Options::new(1)
        };
        let sink = tables.clone();
        let worker = Worker::new(backend.clone(), sink, port(), metrics.clone(), options);
        let progress = worker.progress();
        tasks.spawn(worker.run(CancellationToken::new()));
        let kept = Kept {
            clock,
            backend,
            tables,
            generations: Generations::default(),
            entropy: Arc::new(SeededEntropy::new(1)),
            metrics,
            tasks,
        };
        kept.generations.add(&snapshot);
        let (router, address) = kept.serve(Arc::clone(&snapshot));
        Self {
            address,
            buyers,
            router,
            beside: None,
            sharing: Vec::new(),
            snapshot,
            progress,
            kept,
        }
    }

    /// The router ends, and another one with another catalog goes on with what it leaves.
    pub(crate) fn restart(&mut self, catalog: &str) {
        self.snapshot = Arc::new(snapshot(catalog, self.buyers.address));
        self.kept.generations.add(&self.snapshot);
        (self.router, self.address) = self.kept.serve(Arc::clone(&self.snapshot));
    }

    /// From now on another router is asked, and this one when it is said again.
    pub(crate) fn turn_aside(&mut self) {
        let now = (Arc::clone(&self.router), self.address);
        let other = self.beside.take();
        let other = other.unwrap_or_else(|| self.kept.serve(Arc::clone(&self.snapshot)));
        (self.router, self.address) = other;
        self.beside = Some(now);
    }

    /// Routers tell one another what they learnt, each twice, so that all have heard all.
    pub(crate) async fn share(&mut self) {
        let beside = self.beside.iter().map(|(router, _)| router);
        for router in std::iter::once(&self.router).chain(beside) {
            if !self
                .sharing
                .iter()
                .any(|(known, _)| Arc::ptr_eq(known, router))
            {
                let member = self.kept.backend.lately().join();
                self.sharing.push((Arc::clone(router), member));
            }
        }
        for _ in 0..2 {
            for (router, member) in &mut self.sharing {
                assert!(router.exchange(member).await);
            }
        }
    }

    /// The router goes on with another catalog.
    pub(crate) fn change(&mut self, catalog: &str) {
        self.snapshot = Arc::new(snapshot(catalog, self.buyers.address));
        self.kept.generations.add(&self.snapshot);
        let change = self.router.prepare(Arc::clone(&self.snapshot)).unwrap();
        self.router.change(change);
    }
}

impl Kept {
    /// A router, and where it listens.
    fn serve(&self, snapshot: Arc<Snapshot>) -> (Arc<Router<Local>>, SocketAddr) {
        let clock = || Arc::new(self.clock) as Arc<dyn Clock>;
        let router = Router::new(Parts {
            backend: self.backend.clone(),
            snapshot,
            keys: Keys {
                sealer: Arc::new(sealer()),
                quotes: QuoteKey::new([3; 32], 1),
                tracking: TrackKey::new([4; 32]),
            },
            clock: clock(),
            entropy: self.entropy.clone(),
            finder: Arc::new(self.tables.clone()),
            catalogs: Arc::new(self.generations.clone()),
            metrics: self.metrics.clone(),
            instance: 1,
            runtime: Handle::current(),
            leads: 100,
            lease: Duration::from_secs(30),
        });
        let router = router.unwrap();
        let host = Host {
            clock: clock(),
            entropy: self.entropy.clone(),
            metrics: self.metrics.clone(),
        };
        let any = ([127, 0, 0, 1], 0).into();
        let server = Server::bind("public", any, Limits::default(), host).unwrap();
        let address = server.local_addr().unwrap();
        let service = RouterService(Arc::clone(&router));
        self.tasks
            .spawn(server.serve(service, CancellationToken::new()));
        (router, address)
    }
}

pub(crate) fn sealer() -> Sealer {
    Sealer::new([1; 32], [2; 32])
}

/// A catalog with another laid over it.
pub(crate) fn over(catalog: &str, other: &str) -> String {
    let read = |text: &str| {
        text.parse::<DocumentMut>()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    let mut base = read(catalog);
    lay_over(base.as_table_mut(), read(other).as_table());
    base.to_string()
}

/// What a scenario's catalog comes to.
pub(crate) fn snapshot(catalog: &str, buyers: SocketAddr) -> Snapshot {
    let text = whole(catalog, buyers);
    let admin = [KeyDigest::of(ADMIN)];
    let snapshot = catalog::load_catalog("catalog", &text, &BTreeMap::new(), &admin);
    snapshot.unwrap_or_else(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", problems.join("\n"))
    })
}

/// The scenario's catalog over the common one, with what every contract needs.
fn whole(catalog: &str, buyers: SocketAddr) -> String {
    let mut base: DocumentMut = over(BASE, catalog).parse().unwrap();
    let mut names = Vec::new();
    if let Some(contracts) = base.get_mut("contracts").and_then(Item::as_table_mut) {
        for (name, contract) in contracts.iter_mut() {
            let contract = contract.as_table_mut().expect("a contract is a table");
            let name = name.get().to_owned();
            if !contract.contains_key("buyer") {
                contract["buyer"] = value(&name);
            }
            names.push(contract["buyer"].as_str().unwrap_or_default().to_owned());
            let urls: &[&str] = match contract.get("ping").and_then(Item::as_str) {
                Some("none") => &["post"],
                _ => &["ping", "post"],
            };
            for kind in urls {
                let member = format!("{kind}_url");
                if !contract.contains_key(&member) {
                    contract[&member] = value(format!("http://{buyers}/{kind}/{name}"));
                }
            }
            if !contract.contains_key("campaign") {
                contract["campaign"] = value("auto");
            }
        }
    }
    let known = base.entry("buyers").or_insert(Item::Table(Table::new()));
    let known = known.as_table_mut().expect("buyers are a table");
    for name in names {
        let buyer = known.entry(&name).or_insert(Item::Table(Table::new()));
        let buyer = buyer.as_table_mut().expect("a buyer is a table");
        if !buyer.contains_key("keys") {
            buyer["keys"] = value(toml_edit::Array::from_iter([format!(
                "the-secret-key-of-{name}"
            )]));
        }
    }
    base.to_string()
}

fn lay_over(base: &mut Table, over: &Table) {
    for (name, item) in over {
        if item.as_str() == Some("null") {
            base.remove(name);
            continue;
        }
        match (
            base.get_mut(name).and_then(Item::as_table_mut),
            item.as_table(),
        ) {
            (Some(base), Some(over)) => lay_over(base, over),
            _ => {
                base.insert(name, item.clone());
            }
        }
    }
}
