//! One broker for all tests of a binary, with topics of their own for each.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::{Clock, Mono, Timestamp};
use servers::{KAFKA, Kafka};
use store_kafka::{KafkaLog, KafkaOptions, KafkaVault};
use store_local::OnFailure;
use telemetry::Metrics;
use tempfile::TempDir;

/// Options for topics that nobody else uses; none without a broker, which says so aloud.
pub(crate) fn topics() -> Option<KafkaOptions> {
    static BROKER: OnceLock<Option<Kafka>> = OnceLock::new();
    static TOPICS: AtomicU32 = AtomicU32::new(0);
    let broker = BROKER.get_or_init(|| {
        let jars = KAFKA.find()?;
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka");
        Some(Kafka::start_afresh(&jars, &dir).unwrap())
    });
    let number = TOPICS.fetch_add(1, Ordering::Relaxed);
    let broker = broker.as_ref()?.addr().to_string();
    Some(options(&broker, &format!("case-{number}.")))
}

/// For a broker of a test's own.
pub(crate) fn dir() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Options for a broker of one node.
pub(crate) fn options(broker: &str, prefix: &str) -> KafkaOptions {
    KafkaOptions {
        prefix: prefix.to_owned(),
        replicas: 1,
        // The machine may be busy with other tests.
        patience: Duration::from_secs(20),
        leads_patience: Duration::from_secs(20),
        session: Duration::from_secs(30),
        ..KafkaOptions::of(broker)
    }
}

/// Opens the log.
pub(crate) async fn open(options: &KafkaOptions) -> KafkaLog {
    let opened = KafkaLog::open(options.clone(), clock(), Metrics::new()).await;
    opened.unwrap()
}

/// The machine's: what Kafka does takes its time.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(Machine(Instant::now()))
}

struct Machine(Instant);

impl Clock for Machine {
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
    }

    fn mono(&self) -> Mono {
        Mono::default().plus(self.0.elapsed())
    }
}

/// Opens a node's vault.
pub(crate) async fn vault(log: &KafkaLog, dir: &TempDir) -> KafkaVault {
    let opened = KafkaVault::open(log, dir.path().join("vault"), OnFailure::Stop).await;
    opened.unwrap()
}
