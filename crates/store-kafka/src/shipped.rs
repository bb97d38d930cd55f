//! The log of a node of a cluster: Kafka, with a journal in front.
//!
//! ```text
//! events, Ack::Kernel    journal -> shipper -> Kafka          acknowledged by the journal
//! events, Ack::Durable   Kafka                                refused while it is away
//! leads, keys            Kafka; while it is away              acknowledged by Kafka, or by the
//!                        journal -> shipper -> Kafka          synced journal
//! catalog                Kafka                                refused while it is away
//! ```
//!
//! A node may start while Kafka is away: nothing is shipped until it was heard and its topics are checked.
//!
//! Kafka is away for lead records from the first that it does not acknowledge in time, or from the moment
//! at which no broker can be reached, until the journal is empty again: in between all of them go through
//! the journal, so that their order holds. A record that Kafka was late to acknowledge may be there twice,
//! and one that was under way when Kafka went away may stand behind later ones: the records of a lead are
//! folded as a set. It is a weaker promise: what a node holds in its journal is lost with its disk.

mod frame;
mod front;
mod mark;
mod sending;
mod shipper;
mod vault;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use domain::Timestamp;
use journal::{OnFailure, Options, Space};
use parking_lot::{Mutex, RwLock};
use store::{Ack, Each, EventLog, Fate, LogError, Position, Together, Topic};
use telemetry::{KAFKA_AWAY, Metrics};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::consumer::KafkaConsumer;
use crate::error::{OpenError, Problems, during};
use crate::log::{Bulk, KafkaLog};
use crate::names;
use crate::producer::{Producer, Receipt, Traffic};
use crate::replay::KafkaReplay;
use crate::vault::KafkaVault;
use frame::Frame;
use front::Front;
use sending::Journaled;
use shipper::Shipper;

pub use vault::ShippedVault;

/// Options of the journals in front.
#[derive(Debug, Clone)]
pub struct FrontOptions {
    /// Where they are.
    pub dir: PathBuf,
    /// Bytes of each that may wait for Kafka; more is refused.
    pub most_bytes: u64,
    /// Free bytes of the disk below which nothing new is admitted.
    pub reserve_bytes: u64,
    /// What a failed write or sync does.
    pub on_failure: OnFailure,
}

impl FrontOptions {
    /// In this directory.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        let journal = Options::default();
        Self {
            dir: dir.into(),
            most_bytes: 4 << 30,
            reserve_bytes: journal.reserve_bytes,
            on_failure: journal.on_failure,
        }
    }
}

/// How a node stands to Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Since when lead records go through the journal, if they do.
    pub away: Option<Timestamp>,
    /// Bytes of lead records that wait for Kafka.
    pub leads_bytes: u64,
    /// Bytes of events that wait for Kafka.
    pub events_bytes: u64,
    /// Whether a journal takes nothing new any more.
    pub full: bool,
}

/// The log of a node of a cluster. Cloning shares it.
#[derive(Clone)]
pub struct ShippedLog(Arc<Inner>);

struct Inner {
    kafka: KafkaLog,
    leads: Front,
    events: Front,
    leads_way: Producer,
    events_way: Producer,
    /// Whether lead records go through the journal.
    away: AtomicBool,
    /// Since when they go the way they go, in microseconds since 1970.
    since: AtomicI64,
    /// Held shared by who appends a lead record, and alone by who turns the way they go.
    turning: RwLock<()>,
    metrics: Metrics,
    stop: CancellationToken,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl ShippedLog {
    /// Opens the journals and begins to ship what is in them.
    ///
    /// # Errors
    /// A journal cannot be opened, or the machine refuses a thread.
    pub async fn open(
        kafka: KafkaLog,
        options: FrontOptions,
        metrics: Metrics,
    ) -> Result<Self, OpenError> {
        let runtime = Handle::current();
        let opened = spawn_blocking(move || Self::begin(kafka, &options, metrics, &runtime));
        opened
            .await
            .map_err(|error| OpenError::Thread(std::io::Error::other(error)))?
    }

    fn begin(
        kafka: KafkaLog,
        options: &FrontOptions,
        metrics: Metrics,
        runtime: &Handle,
    ) -> Result<Self, OpenError> {
        let journal = Options {
            reserve_bytes: options.reserve_bytes,
            on_failure: options.on_failure,
            ..Options::default()
        };
        let front = |topic: Topic| {
            let dir = options.dir.join(topic.as_str());
            let (most, journal) = (options.most_bytes, journal.clone());
            let partitions = kafka.options().partitions;
            Front::open(&dir, topic, partitions, most, journal, metrics.clone())
        };
        let way = |traffic| {
            let made = kafka.producer(traffic);
            made.map_err(during("set up a producer"))
        };
        let leads = front(Topic::Leads)?;
        let away = leads.shipped() < leads.next() || kafka.why_not_heard().is_some();
        let inner = Arc::new(Inner {
            leads,
            events: front(Topic::Events)?,
            leads_way: way(Traffic::ShippedLeads)?,
            events_way: way(Traffic::ShippedEvents)?,
            away: AtomicBool::new(away),
            since: AtomicI64::new(kafka.clock().wall().as_micros()),
            turning: RwLock::new(()),
            kafka,
            metrics,
            stop: CancellationToken::new(),
            threads: Mutex::default(),
        });
        inner.turn(away);
        for topic in [Topic::Leads, Topic::Events] {
            let shipper = Shipper {
                inner: Arc::clone(&inner),
                topic,
            };
            let runtime = runtime.clone();
            let thread = Builder::new()
                .name(format!("ship-{}", topic.as_str()))
                .spawn(move || runtime.block_on(shipper.run()))
                .map_err(OpenError::Thread)?;
            inner.threads.lock().push(thread);
        }
        Ok(Self(inner))
    }

    /// How it stands to Kafka.
    pub fn standing(&self) -> Standing {
        let Inner {
            leads,
            events,
            away,
            since,
            ..
        } = &*self.0;
        let since = Timestamp::from_micros(since.load(Ordering::Acquire));
        Standing {
            away: away.load(Ordering::Acquire).then_some(since),
            leads_bytes: leads.bytes(),
            events_bytes: events.bytes(),
            full: leads.is_full() || events.is_full(),
        }
    }

    /// Waits until Kafka was heard and the topics are as they have to be.
    ///
    /// # Errors
    /// All that is not as it has to be there; it is not asked again.
    pub async fn heard(&self) -> Result<(), Problems> {
        self.0.kafka.heard().await
    }

    /// Why Kafka was not heard since the start, if it was not.
    pub fn why_not_heard(&self) -> Option<String> {
        self.0.kafka.why_not_heard()
    }

    /// Ends the shippers, closes the journals and the log on Kafka. What was not shipped is when they are
    /// opened again. Blocks.
    pub fn close(&self) {
        self.0.stop.cancel();
        for thread in std::mem::take(&mut *self.0.threads.lock()) {
            // One that panicked has nothing left to do.
            let _ = thread.join();
        }
        self.0.leads.journal.close();
        self.0.events.journal.close();
        self.0.kafka.close();
    }

    /// A vault in front of whose topic the same journal stands.
    pub fn vault(&self, kafka: KafkaVault) -> ShippedVault {
        ShippedVault {
            log: self.clone(),
            kafka,
        }
    }
}

impl Inner {
    /// The journal of a topic and the producer that ships it.
    fn way(&self, topic: Topic) -> (&Front, &Producer) {
        match topic {
            Topic::Events => (&self.events, &self.events_way),
            Topic::Leads | Topic::Catalog => (&self.leads, &self.leads_way),
        }
    }

    /// Sets the way of lead records.
    fn turn(&self, away: bool) {
        self.metrics.set(KAFKA_AWAY, [], i64::from(away));
        if self.away.load(Ordering::Acquire) != away {
            let now = self.kafka.clock().wall().as_micros();
            self.since.store(now, Ordering::Release);
        }
        let before = self.away.swap(away, Ordering::AcqRel);
        match (before, away) {
            (false, true) => tracing::error!("kafka is away: lead records go to the journal"),
            (true, false) => tracing::info!("lead records go to kafka again"),
            _ => {}
        }
    }
}

/// What an append waits for. What a lead record may need is apart: many events of a batch wait side by side, and
/// each is as large as the largest.
enum Way {
    Kafka(Receipt),
    Journal(Journaled),
    Lead(Pin<Box<dyn Future<Output = Result<Position, LogError>> + Send>>),
}

/// Records that are waited for at once.
enum Joint<'l, E> {
    Kafka(Bulk<'l>),
    Each(E),
}

impl<E: Together> Together for Joint<'_, E> {
    fn add(&mut self, key: u64, record: Bytes) {
        match self {
            Self::Kafka(bulk) => bulk.add(key, record),
            Self::Each(each) => each.add(key, record),
        }
    }

    async fn fates(self, late: impl Future<Output = ()> + Send) -> Vec<Fate> {
        match self {
            Self::Kafka(bulk) => bulk.fates(late).await,
            Self::Each(each) => each.fates(late).await,
        }
    }
}

impl EventLog for ShippedLog {
    type Consumer = KafkaConsumer;
    type Replay = KafkaReplay;

    fn append(
        &self,
        topic: Topic,
        key: u64,
        record: Bytes,
        ack: Ack,
    ) -> impl Future<Output = Result<Position, LogError>> + Send + 'static {
        let inner = &self.0;
        let fits = record.len() <= names::largest(topic);
        let way = match (topic, ack) {
            (Topic::Events, Ack::Kernel) if fits => {
                let frame = Frame::Events(key, record);
                Way::Journal(inner.journaled(topic, &frame, ack, Space::Admit))
            }
            (Topic::Leads, _) if fits => {
                let frame = Frame::Leads(key, record.clone());
                let sent = inner.send(&frame, ack, || inner.kafka.send(topic, key, record));
                let inner = Arc::clone(inner);
                Way::Lead(Box::pin(async move { inner.sent(frame, sent).await }))
            }
            // There what is too large is refused.
            (Topic::Events | Topic::Leads | Topic::Catalog, _) => {
                Way::Kafka(inner.kafka.send(topic, key, record))
            }
        };
        async move {
            match way {
                Way::Kafka(receipt) => receipt.await,
                Way::Journal(journaled) => journaled.acknowledged().await,
                Way::Lead(sent) => sent.await,
            }
        }
    }

    fn together(&self, topic: Topic, ack: Ack) -> impl Together {
        match (topic, ack) {
            (Topic::Events, Ack::Durable) => Joint::Kafka(self.0.kafka.bulk(topic)),
            _ => Joint::Each(Each::by(move |key, record| {
                self.append(topic, key, record, ack)
            })),
        }
    }

    async fn subscribe(
        &self,
        group: &'static str,
        topics: &[Topic],
    ) -> Result<KafkaConsumer, LogError> {
        self.0.kafka.subscribe(group, topics).await
    }

    async fn replay(&self, topic: Topic) -> Result<KafkaReplay, LogError> {
        self.0.kafka.replay(topic).await
    }

    /// With what waits in this node's journals.
    fn ends(&self, topic: Topic) -> Vec<u64> {
        let ends = self.0.kafka.ends(topic);
        if topic == Topic::Catalog {
            return ends;
        }
        let (front, _) = self.0.way(topic);
        let ends = (0..).zip(ends);
        ends.map(|(partition, end)| end.saturating_add(front.unshipped(partition)))
            .collect()
    }
}
