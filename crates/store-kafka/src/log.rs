//! The log on Kafka.

use std::future::Future;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use domain::Clock;
use parking_lot::Mutex;
use rdkafka::consumer::BaseConsumer;
use sha2::{Digest as _, Sha256};
use store::{Ack, EventLog, LogError, Position, Topic};
use telemetry::Metrics;
use tokio::runtime::Handle;

use crate::consumer::{KafkaConsumer, Member};
use crate::ends::Ends;
use crate::error::{OpenError, during};
use crate::options::KafkaOptions;
use crate::producer::{Outgoing, Producer, Receipt, Traffic};
use crate::replay::KafkaReplay;
use crate::watch::Watch;
use crate::{names, scan, topics};

/// How long one question about a partition may take while the log opens.
const PATIENCE: Duration = Duration::from_secs(15);

/// The log of a cluster. Cloning shares it.
#[derive(Clone)]
pub struct KafkaLog(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    options: Arc<KafkaOptions>,
    watch: Watch,
    leads: Producer,
    events: Producer,
    members: Mutex<Vec<(Member, JoinHandle<()>)>>,
}

impl KafkaLog {
    /// Makes the topics that are missing, checks those that are there, and asks how far they go.
    ///
    /// # Errors
    /// Kafka cannot be reached, or something is not as it has to be: then everything that is.
    pub async fn open(
        options: KafkaOptions,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Self, OpenError> {
        let ends = Arc::new(Ends::new(&options));
        let watch = Watch {
            client: "admin",
            ends,
            metrics,
        };
        let runtime = Handle::current();
        let opened = tokio::task::spawn_blocking(move || {
            runtime.block_on(topics::prepare(&options, watch.clone()))?;
            find_ends(&options, &watch)?;
            let producer = |traffic| Producer::new(traffic, &options, &watch, Arc::clone(&clock));
            let inner = Inner {
                leads: producer(Traffic::Leads).map_err(during("set up a producer"))?,
                events: producer(Traffic::Events).map_err(during("set up a producer"))?,
                options: Arc::new(options),
                clock,
                watch,
                members: Mutex::default(),
            };
            Ok(Self(Arc::new(inner)))
        });
        let opened = opened.await;
        opened.map_err(|error| OpenError::Thread(std::io::Error::other(error)))?
    }

    /// Waits until what is queued is acknowledged or refused, and until the consumers have left their
    /// groups, so that others need not wait for them. Blocks.
    pub fn close(&self) {
        let members = std::mem::take(&mut *self.0.members.lock());
        members.iter().for_each(|(member, _)| member.stop());
        self.0.leads.flush(self.0.options.patience);
        self.0.events.flush(self.0.options.patience);
        for (_, thread) in members {
            // One that panicked has left nothing to wait for.
            let _ = thread.join();
        }
    }

    pub(crate) fn options(&self) -> Arc<KafkaOptions> {
        Arc::clone(&self.0.options)
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.clock)
    }

    /// The context of a client of this name.
    pub(crate) fn watch(&self, client: &'static str) -> Watch {
        Watch {
            client,
            ..self.0.watch.clone()
        }
    }

    /// The producer of records that somebody waits for.
    pub(crate) fn leads(&self) -> &Producer {
        &self.0.leads
    }

    fn begin(&self, group: &'static str, topics: &[Topic]) -> Result<KafkaConsumer, LogError> {
        let inner = &self.0;
        let watch = self.watch(group);
        let options = Arc::clone(&inner.options);
        let (consumer, member, thread) = KafkaConsumer::begin(options, watch, topics)
            .map_err(|error| LogError::Unavailable(error.to_string()))?;
        let mut members = inner.members.lock();
        members.retain(|(_, thread)| !thread.is_finished());
        members.push((member, thread));
        Ok(consumer)
    }
}

/// Asks how far every partition goes.
fn find_ends(options: &KafkaOptions, watch: &Watch) -> Result<(), OpenError> {
    let config = options.client("ends");
    let asking: BaseConsumer<Watch> = config
        .create_with_context(watch.clone())
        .map_err(during("set up a client"))?;
    for (topic, name, partitions) in watch.ends.topics() {
        for partition in 0..partitions {
            let reached = scan::reach(&asking, name, partition, PATIENCE);
            let (_, end) = reached.map_err(during("ask how far a partition goes"))?;
            watch.ends.reach(topic, partition, end);
        }
    }
    Ok(())
}

impl EventLog for KafkaLog {
    type Consumer = KafkaConsumer;
    type Replay = KafkaReplay;

    fn append(
        &self,
        topic: Topic,
        key: u64,
        record: Bytes,
        _: Ack,
    ) -> impl Future<Output = Result<Position, LogError>> + Send + 'static {
        let inner = &self.0;
        let partitions = names::partitions(&inner.options, topic);
        // Compaction keeps the last record of a key: what is the same is kept once.
        let digest = (topic == Topic::Catalog).then(|| Sha256::digest(&record));
        let outgoing = Outgoing {
            name: inner.watch.ends.name(topic),
            topic: Some(topic),
            partition: (key % u64::from(partitions)) as u16,
            key: digest.as_ref().map(|digest| digest.as_slice()),
            payload: Some(&record),
        };
        if record.len() > names::largest(topic) {
            return Receipt::Known(Some(Err(LogError::TooLarge)));
        }
        match topic {
            Topic::Events => inner.events.send(&outgoing),
            Topic::Leads | Topic::Catalog => inner.leads.send(&outgoing),
        }
    }

    async fn subscribe(
        &self,
        group: &'static str,
        topics: &[Topic],
    ) -> Result<KafkaConsumer, LogError> {
        self.begin(group, topics)
    }

    async fn replay(&self, topic: Topic) -> Result<KafkaReplay, LogError> {
        KafkaReplay::begin(self.options(), self.watch("replay"), topic).await
    }

    fn ends(&self, topic: Topic) -> Vec<u64> {
        self.0.watch.ends.of(topic)
    }
}
