//! The log on Kafka.

use std::future::Future;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, LeadId};
use parking_lot::Mutex;
use rdkafka::error::KafkaResult;
use sha2::{Digest as _, Sha256};
use store::{Ack, EventLog, Fate, LogError, Position, Together, Topic, key};
use telemetry::Metrics;

use crate::consumer::{KafkaConsumer, Member};
use crate::ends::Ends;
use crate::error::{OpenError, Problems, during};
use crate::hearing::Hearing;
use crate::names;
use crate::options::KafkaOptions;
use crate::producer::{Outgoing, Producer, Queued, Receipt, Traffic};
use crate::replay::KafkaReplay;
use crate::watch::Watch;

/// How long who opens it waits until Kafka is heard.
const PATIENCE: Duration = Duration::from_secs(30);

/// The log of a cluster. Cloning shares it.
#[derive(Clone)]
pub struct KafkaLog(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    options: Arc<KafkaOptions>,
    watch: Watch,
    hearing: Arc<Hearing>,
    leads: Producer,
    events: Producer,
    members: Mutex<Vec<(Member, JoinHandle<()>)>>,
}

impl KafkaLog {
    /// Begins to ask for Kafka, and waits for nothing: until it is [heard](Self::heard) nothing is appended
    /// and nothing read. Within a runtime.
    ///
    /// # Errors
    /// The options are not as they have to be, or the machine refuses a thread.
    pub fn begin(
        options: KafkaOptions,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Self, OpenError> {
        let problems = options.problems();
        if !problems.is_empty() {
            return Err(OpenError::Problems(Problems(problems)));
        }
        let watch = Watch {
            client: "admin",
            ends: Arc::new(Ends::new(&options)),
            metrics,
        };
        let options = Arc::new(options);
        let producer = |traffic| {
            let made = Producer::new(traffic, &options, &watch, Arc::clone(&clock));
            made.map_err(during("set up a producer"))
        };
        let inner = Inner {
            leads: producer(Traffic::Leads)?,
            events: producer(Traffic::Events)?,
            hearing: Arc::new(Hearing::begin(Arc::clone(&options), watch.clone())?),
            options,
            clock,
            watch,
            members: Mutex::default(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Makes the topics that are missing, checks those that are there, and asks how far they go.
    ///
    /// # Errors
    /// Kafka cannot be reached, or something is not as it has to be: then everything that is.
    pub async fn open(
        options: KafkaOptions,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Self, OpenError> {
        let log = Self::begin(options, clock, metrics)?;
        match tokio::time::timeout(PATIENCE, log.heard()).await {
            Ok(Ok(())) => Ok(log),
            Ok(Err(problems)) => Err(OpenError::Problems(problems)),
            Err(_) => Err(OpenError::Silent(log.why_not_heard().unwrap_or_default())),
        }
    }

    /// Waits until Kafka was heard and the topics are as they have to be.
    ///
    /// # Errors
    /// All that is not as it has to be there; it is not asked again.
    pub async fn heard(&self) -> Result<(), Problems> {
        self.0.hearing.heard().await
    }

    /// Why Kafka was not heard yet, if it was not.
    pub fn why_not_heard(&self) -> Option<String> {
        self.0.hearing.why_not()
    }

    /// Waits until what is queued is acknowledged or refused, and until the consumers have left their
    /// groups, so that others need not wait for them. Blocks.
    pub fn close(&self) {
        self.0.hearing.end();
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

    /// Whether Kafka was heard.
    pub(crate) fn hearing(&self) -> Arc<Hearing> {
        Arc::clone(&self.0.hearing)
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

    /// A further producer.
    pub(crate) fn producer(&self, traffic: Traffic) -> KafkaResult<Producer> {
        let Inner {
            options,
            watch,
            clock,
            ..
        } = &*self.0;
        Producer::new(traffic, options, watch, Arc::clone(clock))
    }

    /// A topic's name.
    pub(crate) fn name(&self, topic: Topic) -> &str {
        self.0.watch.ends.name(topic)
    }

    /// The partition of a key.
    pub(crate) fn partition(&self, topic: Topic, key: u64) -> u16 {
        let partitions = names::partitions(&self.0.options, topic);
        (key % u64::from(partitions.max(1))) as u16
    }

    /// The next offset of a partition.
    pub(crate) fn end(&self, topic: Topic, partition: u16) -> u64 {
        self.0.watch.ends.at(topic, partition)
    }

    /// The name of the topic of keys.
    pub(crate) fn vault_name(&self) -> String {
        format!("{}{}", self.0.options.prefix, names::VAULT)
    }

    /// The topic of keys, and the partition of a lead's.
    pub(crate) fn vault_place(&self, lead: LeadId) -> (String, u16) {
        let partitions = u64::from(self.0.options.partitions.max(1));
        (self.vault_name(), (key::lead(lead) % partitions) as u16)
    }

    /// Queues a record alone.
    pub(crate) fn send(&self, topic: Topic, key: u64, record: Bytes) -> Receipt {
        let mut bulk = self.bulk(topic);
        bulk.add(key, record);
        Receipt(bulk.queued)
    }

    /// Queues records that are waited for at once.
    pub(crate) fn bulk(&self, topic: Topic) -> Bulk<'_> {
        let producer = match topic {
            Topic::Events => &self.0.events,
            Topic::Leads | Topic::Catalog => &self.0.leads,
        };
        Bulk {
            log: self,
            topic,
            producer,
            queued: producer.begin(),
        }
    }

    /// The producer of records that somebody waits for.
    pub(crate) fn leads(&self) -> &Producer {
        &self.0.leads
    }

    fn join(&self, group: &'static str, topics: &[Topic]) -> Result<KafkaConsumer, LogError> {
        let inner = &self.0;
        inner.hearing.check()?;
        let watch = self.watch(group);
        let options = Arc::clone(&inner.options);
        let (consumer, member, thread) = KafkaConsumer::begin(options, watch, self.clock(), topics)
            .map_err(|error| LogError::Unavailable(error.to_string()))?;
        let mut members = inner.members.lock();
        members.retain(|(_, thread)| !thread.is_finished());
        members.push((member, thread));
        Ok(consumer)
    }
}

/// Records of a topic that are waited for at once.
pub(crate) struct Bulk<'l> {
    log: &'l KafkaLog,
    topic: Topic,
    producer: &'l Producer,
    queued: Queued,
}

impl Together for Bulk<'_> {
    fn add(&mut self, key: u64, record: Bytes) {
        let Self {
            log,
            topic,
            producer,
            queued,
        } = self;
        if record.len() > names::largest(*topic) {
            return queued.refuse(LogError::TooLarge);
        }
        if let Err(not_yet) = log.0.hearing.check() {
            return queued.refuse(not_yet);
        }
        // Compaction keeps the last record of a key: what is the same is kept once.
        let digest = (*topic == Topic::Catalog).then(|| Sha256::digest(&record));
        let outgoing = Outgoing {
            name: log.name(*topic),
            partition: log.partition(*topic, key),
            key: digest.as_ref().map(|digest| digest.as_slice()),
            payload: Some(&record),
        };
        producer.add(queued, &outgoing);
    }

    async fn fates(self, late: impl Future<Output = ()> + Send) -> Vec<Fate> {
        self.queued.fates(late).await
    }
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
        self.send(topic, key, record)
    }

    fn together(&self, topic: Topic, _: Ack) -> impl Together {
        self.bulk(topic)
    }

    async fn subscribe(
        &self,
        group: &'static str,
        topics: &[Topic],
    ) -> Result<KafkaConsumer, LogError> {
        self.join(group, topics)
    }

    async fn replay(&self, topic: Topic) -> Result<KafkaReplay, LogError> {
        self.0.hearing.check()?;
        KafkaReplay::begin(self.options(), self.watch("replay"), topic).await
    }

    fn ends(&self, topic: Topic) -> Vec<u64> {
        self.0.watch.ends.of(topic)
    }
}
