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
//! Kafka is away for lead records from the first that it does not acknowledge in time, or from the moment
//! at which no broker can be reached, until the journal is empty again: in between all of them go through
//! the journal, so that their order holds. A record that Kafka was late to acknowledge may be there twice,
//! and one that was under way when Kafka went away may stand behind later ones: the records of a lead are
//! folded as a set. It is a weaker promise: what a node holds in its journal is lost with its disk.

mod frame;
mod front;
mod shipper;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use domain::LeadId;
use journal::{OnFailure, Options, Space};
use parking_lot::{Mutex, RwLock};
use store::{Ack, EventLog, LogError, Position, StoreError, Topic, Vault, WrappedKey};
use telemetry::{KAFKA_AWAY, Metrics};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::consumer::KafkaConsumer;
use crate::error::{OpenError, during};
use crate::log::KafkaLog;
use crate::names;
use crate::producer::{Producer, Receipt, Traffic};
use crate::replay::KafkaReplay;
use crate::vault::KafkaVault;
use frame::Frame;
use front::Front;
use shipper::Shipper;

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
    /// Whether lead records go through the journal.
    pub away: bool,
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
        let away = leads.shipped() < leads.next();
        let inner = Arc::new(Inner {
            leads,
            events: front(Topic::Events)?,
            leads_way: way(Traffic::ShippedLeads)?,
            events_way: way(Traffic::ShippedEvents)?,
            away: AtomicBool::new(away),
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
            ..
        } = &*self.0;
        Standing {
            away: away.load(Ordering::Acquire),
            leads_bytes: leads.bytes(),
            events_bytes: events.bytes(),
            full: leads.is_full() || events.is_full(),
        }
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
        let before = self.away.swap(away, Ordering::AcqRel);
        match (before, away) {
            (false, true) => tracing::error!("kafka is away: lead records go to the journal"),
            (true, false) => tracing::info!("lead records go to kafka again"),
            _ => {}
        }
    }

    /// Lead records go through the journal from now on; what the step does is the first of it.
    fn turn_away<T>(&self, step: impl FnOnce() -> T) -> T {
        let _alone = self.turning.write();
        self.turn(true);
        step()
    }

    /// Queues a record in a journal. Where it will stand is at least where the log ends with all that waits
    /// before it.
    fn journaled(&self, topic: Topic, frame: &Frame, ack: Ack, space: Space) -> Journaled {
        let (front, _) = self.way(topic);
        let partition = match frame {
            Frame::Leads(key, _) | Frame::Events(key, _) => self.kafka.partition(topic, *key),
            Frame::Vault(..) => 0,
        };
        let end = self.kafka.end(topic, partition);
        let position = Position {
            partition,
            offset: end.saturating_add(front.unshipped(partition)),
        };
        let ack = match ack {
            Ack::Kernel => journal::Ack::Kernel,
            Ack::Durable => journal::Ack::Durable,
        };
        let appended = front.append(frame, ack, space);
        Journaled { appended, position }
    }

    /// Queues what belongs to a lead where it has to go now.
    fn send(&self, frame: &Frame, ack: Ack, direct: impl FnOnce() -> Receipt) -> Sent {
        if self.kafka.leads().is_down() && !self.away.load(Ordering::Acquire) {
            self.turn_away(|| {});
        }
        let _shared = self.turning.read();
        match self.away.load(Ordering::Acquire) {
            true => Sent::Journal(self.journaled(Topic::Leads, frame, ack, space(frame))),
            false => Sent::Kafka(direct()),
        }
    }

    /// Waits for the acknowledgement; what Kafka does not take in time goes into the journal.
    async fn sent(&self, frame: Frame, sent: Sent) -> Result<Position, LogError> {
        match sent {
            Sent::Journal(journaled) => journaled.acknowledged().await,
            Sent::Kafka(receipt) => match receipt.await {
                Err(LogError::Unavailable(_)) => {
                    let journaled = self.turn_away(|| {
                        self.journaled(Topic::Leads, &frame, Ack::Durable, space(&frame))
                    });
                    journaled.acknowledged().await
                }
                answered => answered,
            },
        }
    }
}

/// What begins work stops at the reserve, what ends it does not. A key comes with what begins.
fn space(frame: &Frame) -> Space {
    match frame {
        Frame::Leads(_, record) => store_local::space_of(Topic::Leads, record),
        Frame::Events(..) | Frame::Vault(..) => Space::Admit,
    }
}

/// A record on its way through a journal.
struct Journaled {
    appended: Result<journal::Appended, LogError>,
    position: Position,
}

impl Journaled {
    async fn acknowledged(self) -> Result<Position, LogError> {
        let acknowledged = self.appended?.await;
        acknowledged.map_err(store_local::append_error)?;
        Ok(self.position)
    }
}

/// A record on its way.
enum Sent {
    Journal(Journaled),
    Kafka(Receipt),
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
        let inner = Arc::clone(&self.0);
        let too_large = record.len() > names::largest(topic);
        let (frame, sent) = match (topic, ack) {
            _ if too_large => (
                None,
                Sent::Kafka(Receipt::Known(Some(Err(LogError::TooLarge)))),
            ),
            (Topic::Events, Ack::Kernel) => {
                let frame = Frame::Events(key, record);
                let journaled = inner.journaled(topic, &frame, ack, Space::Admit);
                (None, Sent::Journal(journaled))
            }
            (Topic::Leads, _) => {
                let frame = Frame::Leads(key, record.clone());
                let sent = inner.send(&frame, ack, || inner.kafka.send(topic, key, &record));
                (Some(frame), sent)
            }
            (Topic::Events, Ack::Durable) | (Topic::Catalog, _) => {
                (None, Sent::Kafka(inner.kafka.send(topic, key, &record)))
            }
        };
        async move {
            match (frame, sent) {
                (Some(frame), sent) => inner.sent(frame, sent).await,
                (None, Sent::Journal(journaled)) => journaled.acknowledged().await,
                (None, Sent::Kafka(receipt)) => receipt.await,
            }
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

/// The vault of a node of a cluster: a key that Kafka does not take in time waits in the journal with the
/// records of its lead. Keys are given and erased only while Kafka is there.
#[derive(Clone)]
pub struct ShippedVault {
    log: ShippedLog,
    kafka: KafkaVault,
}

impl ShippedVault {
    /// Closes it. Blocks.
    pub fn close(&self) {
        self.kafka.close();
    }
}

impl Vault for ShippedVault {
    fn put(
        &self,
        lead: LeadId,
        key: WrappedKey,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let inner = Arc::clone(&self.log.0);
        let frame = Frame::Vault(lead, Bytes::copy_from_slice(&key.0));
        let sent = inner.send(&frame, Ack::Durable, || self.kafka.queue(lead, Some(&key)));
        async move {
            let sent = inner.sent(frame, sent).await;
            sent.map(drop)
                .map_err(|error| StoreError::Unavailable(format!("vault: {error}")))
        }
    }

    async fn get(&self, lead: LeadId) -> Result<Option<WrappedKey>, StoreError> {
        self.kafka.get(lead).await
    }

    async fn erase(&self, lead: LeadId) -> Result<(), StoreError> {
        self.kafka.erase(lead).await
    }
}
