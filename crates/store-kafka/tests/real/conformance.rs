//! What every backend promises of its log and its vault, on a real broker: one for all cases, with topics of its own
//! for each.

use std::time::Duration;

use domain::Timestamp;
use store::{Backend, EventLog, Vault};
use store_kafka::{FrontOptions, KafkaLog, KafkaOptions, KafkaVault, ShippedLog, ShippedVault};
use store_local::{Local, LocalOptions};
use telemetry::Metrics;
use tempfile::TempDir;
use testkit::conformance::Harness;
use testkit::{FakeClock, SeededEntropy};

use crate::broker;

/// The log and the vault on Kafka, with a journal in front or without; all else of one process.
#[derive(Clone)]
struct Mixed<L, V> {
    log: L,
    vault: V,
    rest: Local,
}

impl<L: EventLog + Clone, V: Vault + Clone> Backend for Mixed<L, V> {
    type Log = L;
    type Claims = <Local as Backend>::Claims;
    type Caps = <Local as Backend>::Caps;
    type Journeys = <Local as Backend>::Journeys;
    type Lately = <Local as Backend>::Lately;
    type Vault = V;

    fn log(&self) -> &L {
        &self.log
    }

    fn claims(&self) -> &Self::Claims {
        self.rest.claims()
    }

    fn caps(&self) -> &Self::Caps {
        self.rest.caps()
    }

    fn journeys(&self) -> &Self::Journeys {
        self.rest.journeys()
    }

    fn lately(&self) -> &Self::Lately {
        self.rest.lately()
    }

    fn vault(&self) -> &Self::Vault {
        &self.vault
    }
}

/// How a node opens and leaves.
trait Node: Clone + Send + Sync + 'static {
    type Log: EventLog + Clone;
    type Vault: Vault + Clone;

    async fn open(options: &KafkaOptions, dir: &TempDir) -> (Self::Log, Self::Vault);

    fn close(log: &Self::Log, vault: &Self::Vault);
}

/// Kafka alone. A killed process leaves to others what Kafka has: nothing is flushed, nobody leaves.
#[derive(Clone)]
struct Direct;

impl Node for Direct {
    type Log = KafkaLog;
    type Vault = KafkaVault;

    async fn open(options: &KafkaOptions, dir: &TempDir) -> (KafkaLog, KafkaVault) {
        let log = broker::open(options).await;
        let vault = broker::vault(&log, dir).await;
        (log, vault)
    }

    fn close(_: &KafkaLog, vault: &KafkaVault) {
        vault.close();
    }
}

/// With a journal in front.
#[derive(Clone)]
struct Shipped;

impl Node for Shipped {
    type Log = ShippedLog;
    type Vault = ShippedVault;

    async fn open(options: &KafkaOptions, dir: &TempDir) -> (ShippedLog, ShippedVault) {
        let (log, vault) = Direct::open(options, dir).await;
        let front = FrontOptions::in_dir(dir.path().join("front"));
        let log = ShippedLog::open(log, front, Metrics::new()).await.unwrap();
        let vault = log.vault(vault);
        (log, vault)
    }

    fn close(log: &ShippedLog, vault: &ShippedVault) {
        vault.close();
        log.close();
    }
}

struct Cluster<N: Node> {
    store: Mixed<N::Log, N::Vault>,
    /// The node's own files.
    dir: TempDir,
    options: KafkaOptions,
    clock: FakeClock,
    entropy: SeededEntropy,
}

impl<N: Node> Cluster<N> {
    async fn new(options: KafkaOptions) -> Self {
        let clock = FakeClock::default();
        let rest = Local::open(LocalOptions::default(), clock.port()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (log, vault) = N::open(&options, &dir).await;
        Self {
            store: Mixed { log, vault, rest },
            dir,
            options,
            clock,
            entropy: SeededEntropy::new(1),
        }
    }
}

impl<N: Node> Harness for Cluster<N> {
    type Backend = Mixed<N::Log, N::Vault>;

    fn store(&self) -> &Self::Backend {
        &self.store
    }

    async fn reopen(&mut self) -> bool {
        N::close(&self.store.log, &self.store.vault);
        (self.store.log, self.store.vault) = N::open(&self.options, &self.dir).await;
        true
    }

    fn now(&self) -> Timestamp {
        domain::Clock::wall(&self.clock)
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn entropy(&self) -> &SeededEntropy {
        &self.entropy
    }
}

/// On topics of its own; without a broker the case skips itself.
macro_rules! fresh {
    ($node:ident) => {
        match broker::topics() {
            Some(options) => Cluster::<$node>::new(options).await,
            None => return,
        }
    };
}

mod direct {
    use super::*;
    testkit::conformance!(log: fresh!(Direct));
    testkit::conformance!(vault: fresh!(Direct));
}

mod shipped {
    use super::*;
    testkit::conformance!(log: fresh!(Shipped));
    testkit::conformance!(vault: fresh!(Shipped));
}
