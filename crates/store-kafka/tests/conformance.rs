//! What every backend promises of its log, on a real broker: one for all cases, with topics of its own
//! for each.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod broker;

use std::time::Duration;

use domain::Timestamp;
use store::Backend;
use store_kafka::{KafkaLog, KafkaOptions};
use store_local::{Local, LocalOptions};
use testkit::conformance::Harness;
use testkit::{FakeClock, SeededEntropy};

/// The log on Kafka; all else of one process.
#[derive(Clone)]
struct Mixed {
    log: KafkaLog,
    rest: Local,
}

impl Backend for Mixed {
    type Log = KafkaLog;
    type Claims = <Local as Backend>::Claims;
    type Caps = <Local as Backend>::Caps;
    type Journeys = <Local as Backend>::Journeys;
    type Vault = <Local as Backend>::Vault;

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
        self.rest.vault()
    }
}

struct Cluster {
    store: Mixed,
    options: KafkaOptions,
    clock: FakeClock,
    entropy: SeededEntropy,
}

impl Cluster {
    async fn new(options: KafkaOptions) -> Self {
        let clock = FakeClock::default();
        let rest = Local::open(LocalOptions::default(), clock.port()).unwrap();
        Self {
            store: Mixed {
                log: broker::open(&options).await,
                rest,
            },
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
        self.store.log = broker::open(&self.options).await;
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
