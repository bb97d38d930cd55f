//! What every backend promises of its log and its vault, on a real broker: one for all cases, with topics of its own
//! for each.

use std::time::Duration;

use domain::Timestamp;
use store::Backend;
use store_kafka::{KafkaLog, KafkaOptions, KafkaVault};
use store_local::{Local, LocalOptions};
use tempfile::TempDir;
use testkit::conformance::Harness;
use testkit::{FakeClock, SeededEntropy};

use crate::broker;

/// The log and the vault on Kafka; all else of one process.
#[derive(Clone)]
struct Mixed {
    log: KafkaLog,
    vault: KafkaVault,
    rest: Local,
}

impl Backend for Mixed {
    type Log = KafkaLog;
    type Claims = <Local as Backend>::Claims;
    type Caps = <Local as Backend>::Caps;
    type Journeys = <Local as Backend>::Journeys;
    type Vault = KafkaVault;

    fn log(&self) -> &KafkaLog {
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

    fn vault(&self) -> &Self::Vault {
        &self.vault
    }
}

struct Cluster {
    store: Mixed,
    /// The node's own files.
    dir: TempDir,
    options: KafkaOptions,
    clock: FakeClock,
    entropy: SeededEntropy,
}

impl Cluster {
    async fn new(options: KafkaOptions) -> Self {
        let clock = FakeClock::default();
        let rest = Local::open(LocalOptions::default(), clock.port()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = broker::open(&options).await;
        Self {
            store: Mixed {
                vault: broker::vault(&log, &dir).await,
                log,
                rest,
            },
            dir,
            options,
            clock,
            entropy: SeededEntropy::new(1),
        }
    }
}

impl Harness for Cluster {
    type Backend = Mixed;

    fn store(&self) -> &Mixed {
        &self.store
    }

    /// What a killed process leaves to others is what Kafka has: nothing is flushed, nobody leaves.
    async fn reopen(&mut self) -> bool {
        self.store.vault.close();
        self.store.log = broker::open(&self.options).await;
        self.store.vault = broker::vault(&self.store.log, &self.dir).await;
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
    () => {
        match broker::topics() {
            Some(options) => Cluster::new(options).await,
            None => return,
        }
    };
}

testkit::conformance!(log: fresh!());
testkit::conformance!(vault: fresh!());
