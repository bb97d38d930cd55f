//! An idempotent producer for one kind of traffic.
//!
//! A message costs one allocation of ours: a slot that librdkafka carries along and fills when it knows
//! the message's fate, and on which the caller's future waits. No task, no channel.

mod polled;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use domain::{Clock, Mono};
use parking_lot::{Mutex, RwLock};
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext};
use rdkafka::statistics::Statistics;
use store::{LogError, Position, Topic};
use telemetry::{KAFKA_ACK_SECONDS, KAFKA_FAILURES, Times};

use crate::KafkaOptions;
use crate::error::log_error;
use crate::options::millis;
use crate::watch::Watch;
use polled::Polled;

/// How often a broker is looked for by a record while none can be reached.
const PROBE: Duration = Duration::from_secs(1);

/// Of so many events the time until its acknowledgement is measured for one: two looks at the clock are a tenth of
/// what an event costs here.
const MEASURED: u64 = 16;

/// What a producer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Somebody waits for each record: nothing is waited for to fill a batch.
    Leads,
    /// Many small records: they share batches, compressed.
    Events,
    /// Lead records out of a journal: the same, and none is ever given up.
    ShippedLeads,
    /// Events out of a journal: likewise.
    ShippedEvents,
}

impl Traffic {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Events => "events",
            Self::ShippedLeads => "shipped-leads",
            Self::ShippedEvents => "shipped-events",
        }
    }

    /// Whether a record that waits too long is refused.
    const fn gives_up(self) -> bool {
        matches!(self, Self::Leads | Self::Events)
    }

    fn config(self, options: &KafkaOptions) -> ClientConfig {
        let (linger, compression, patience) = match self {
            Self::Leads => (Duration::ZERO, "none", options.leads_patience),
            Self::Events => (options.events_linger, "lz4", options.patience),
            // Without an end.
            Self::ShippedLeads | Self::ShippedEvents => {
                (options.events_linger, "lz4", Duration::ZERO)
            }
        };
        let mut config = options.client(self.as_str());
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", millis(linger))
            .set("compression.type", compression)
            .set("delivery.timeout.ms", millis(patience))
            .set("message.max.bytes", "100000000")
            .set(
                "queue.buffering.max.messages",
                options.queue_records.to_string(),
            )
            .set(
                "queue.buffering.max.kbytes",
                (options.queue_bytes >> 10).max(1).to_string(),
            );
        config
    }
}

/// A record for Kafka.
pub(crate) struct Outgoing<'a> {
    /// The topic's name there.
    pub(crate) name: &'a str,
    /// Which of the log's topics it is, for the ends that are known.
    pub(crate) topic: Option<Topic>,
    pub(crate) partition: u16,
    /// What compaction goes by.
    pub(crate) key: Option<&'a [u8]>,
    /// None ends what the key had.
    pub(crate) payload: Option<&'a [u8]>,
}

/// A producer. One that Kafka has put out of action for good is replaced by the next record.
pub(crate) struct Producer {
    traffic: Traffic,
    /// When a record was last sent although no broker could be reached.
    probed: AtomicU64,
    /// Records that were queued.
    queued: AtomicU64,
    config: ClientConfig,
    context: Deliveries,
    clock: Arc<dyn Clock>,
    client: RwLock<Polled>,
}

impl Producer {
    pub(crate) fn new(
        traffic: Traffic,
        options: &KafkaOptions,
        watch: &Watch,
        clock: Arc<dyn Clock>,
    ) -> KafkaResult<Self> {
        let config = traffic.config(options);
        let watch = Watch {
            client: traffic.as_str(),
            ..watch.clone()
        };
        let context = Deliveries {
            down: Arc::default(),
            acknowledged: watch.metrics.timer(KAFKA_ACK_SECONDS, [watch.client]),
            watch,
            clock: Arc::clone(&clock),
        };
        let client = Polled::new(&config, context.clone())?;
        Ok(Self {
            traffic,
            probed: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            config,
            context,
            clock,
            client: RwLock::new(client),
        })
    }

    /// Queues a record now; what it resolves to is its place once all in-sync replicas have it. While no
    /// broker can be reached, all but one in a while are refused at once: nobody waits in vain.
    pub(crate) fn send(&self, record: &Outgoing<'_>) -> Receipt {
        if self.is_down() && !self.may_probe() {
            let why = "kafka: no broker can be reached".to_owned();
            return Receipt::Known(Some(Err(LogError::Unavailable(why))));
        }
        match self.queue(record) {
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::Fatal)) => {
                self.replace();
                self.queue(record)
            }
            queued => queued,
        }
        .unwrap_or_else(|error| Receipt::Known(Some(Err(log_error(&error)))))
    }

    fn queue(&self, record: &Outgoing<'_>) -> KafkaResult<Receipt> {
        let number = self.queued.fetch_add(1, Ordering::Relaxed);
        let measured = match self.traffic {
            Traffic::Leads | Traffic::ShippedLeads => true,
            Traffic::Events | Traffic::ShippedEvents => number.is_multiple_of(MEASURED),
        };
        let slot = Arc::new(Slot {
            topic: record.topic,
            queued: measured.then(|| self.clock.mono()),
            state: Mutex::new(State::Waiting(None)),
        });
        let mut message = BaseRecord::with_opaque_to(record.name, Arc::clone(&slot))
            .partition(i32::from(record.partition));
        message.key = record.key;
        message.payload = record.payload;
        match self.client.read().send(message) {
            Ok(()) => Ok(Receipt::Queued(slot)),
            Err((error, _)) => Err(error),
        }
    }

    /// Whether no broker could be reached, as far as is known: a record that is acknowledged ends it. One
    /// that never gives a record up is never down.
    pub(crate) fn is_down(&self) -> bool {
        self.context.down.load(Ordering::Acquire) && self.traffic.gives_up()
    }

    /// Kafka was reached by another.
    pub(crate) fn is_up(&self) {
        self.context.down.store(false, Ordering::Release);
    }

    /// Whether it is time to look whether a broker is there again.
    fn may_probe(&self) -> bool {
        let now = self.clock.mono().as_micros();
        let probed = self.probed.load(Ordering::Acquire);
        let due = now.saturating_sub(probed) >= PROBE.as_micros() as u64;
        let (acquire, release) = (Ordering::Acquire, Ordering::AcqRel);
        due && self
            .probed
            .compare_exchange(probed, now, release, acquire)
            .is_ok()
    }

    /// Begins anew. What the old client still has is refused.
    fn replace(&self) {
        let old = {
            let mut client = self.client.write();
            if client.client().fatal_error().is_none() {
                // Somebody else was faster.
                return;
            }
            match Polled::new(&self.config, self.context.clone()) {
                Ok(new) => std::mem::replace(&mut *client, new),
                Err(error) => {
                    tracing::error!(%error, "cannot set up another producer");
                    return;
                }
            }
        };
        tracing::error!(
            client = self.context.watch.client,
            "the producer is replaced"
        );
        drop(old);
    }

    /// Waits until everything that is queued has met its fate.
    pub(crate) fn flush(&self, patience: Duration) {
        if let Err(error) = self.client.read().flush(patience) {
            tracing::warn!(%error, "not all records were acknowledged at the end");
        }
    }
}

/// Fills the slots.
#[derive(Clone)]
struct Deliveries {
    watch: Watch,
    /// Whether no broker could be reached.
    down: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    acknowledged: Times,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        self.watch.log(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.down.store(true, Ordering::Release);
        }
        self.watch.error(error, reason);
    }

    fn stats(&self, said: Statistics) {
        self.watch.stats(said);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Slot>;

    fn delivery(&self, result: &DeliveryResult<'_>, slot: Arc<Slot>) {
        let Watch {
            client,
            ends,
            metrics,
        } = &self.watch;
        let fate = match result {
            Ok(message) => {
                let (partition, offset) = (message.partition(), message.offset());
                match (u16::try_from(partition), u64::try_from(offset)) {
                    (Ok(partition), Ok(offset)) => {
                        if let Some(topic) = slot.topic {
                            ends.reach(topic, partition, offset.saturating_add(1));
                        }
                        self.down.store(false, Ordering::Release);
                        if let Some(queued) = slot.queued {
                            self.acknowledged.record(self.clock.mono().since(queued));
                        }
                        Ok(Position { partition, offset })
                    }
                    _ => Err(LogError::Unavailable(format!(
                        "kafka: a record without a place: {partition}/{offset}"
                    ))),
                }
            }
            Err((error, _)) => Err(log_error(error)),
        };
        if fate.is_err() {
            metrics.count(KAFKA_FAILURES, [client]);
        }
        slot.fill(fate);
    }
}

/// A record's fate, as soon as it is known.
#[derive(Debug)]
pub(crate) struct Slot {
    topic: Option<Topic>,
    /// When, if that is measured.
    queued: Option<Mono>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Known(Result<Position, LogError>),
}

impl Slot {
    fn fill(&self, fate: Result<Position, LogError>) {
        let before = std::mem::replace(&mut *self.state.lock(), State::Known(fate));
        if let State::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

/// A record on its way: resolves to its place. It may be dropped unheard.
#[derive(Debug)]
#[must_use = "an append counts only once it is acknowledged"]
pub(crate) enum Receipt {
    /// To Kafka.
    Queued(Arc<Slot>),
    /// It did not get so far; why, until it is told.
    Known(Option<Result<Position, LogError>>),
}

impl Future for Receipt {
    type Output = Result<Position, LogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Queued(slot) => match &mut *slot.state.lock() {
                State::Known(fate) => Poll::Ready(fate.clone()),
                State::Waiting(waker) => {
                    match waker {
                        Some(waker) => waker.clone_from(context.waker()),
                        None => *waker = Some(context.waker().clone()),
                    }
                    Poll::Pending
                }
            },
            Self::Known(known) => match known.take() {
                Some(known) => Poll::Ready(known),
                None => Poll::Pending,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    use telemetry::Metrics;

    use super::*;
    use crate::ends::Ends;

    /// Kafka puts an idempotent producer out of action for good where it may not be one.
    #[tokio::test]
    async fn a_producer_that_is_out_of_action_is_replaced() {
        let kafka = MockCluster::new(1).unwrap();
        kafka.create_topic("gavel.leads", 4, 1).unwrap();
        let options = KafkaOptions {
            leads_patience: Duration::from_secs(20),
            ..KafkaOptions::of(kafka.bootstrap_servers())
        };
        let watch = Watch {
            client: "leads",
            ends: Arc::new(Ends::new(&options)),
            metrics: Metrics::new(),
        };
        let clock = testkit::FakeClock::default().port();
        let forbidden = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
        kafka.request_errors(RDKafkaApiKey::InitProducerId, &[forbidden]);
        let producer = Producer::new(Traffic::Leads, &options, &watch, clock).unwrap();
        let send = || {
            producer.send(&Outgoing {
                name: "gavel.leads",
                topic: Some(Topic::Leads),
                partition: 3,
                key: None,
                payload: Some(b"record"),
            })
        };
        let refused = send().await;
        assert!(
            matches!(refused, Err(LogError::Unavailable(_))),
            "{refused:?}"
        );
        let place = Position {
            partition: 3,
            offset: 0,
        };
        assert_eq!(send().await, Ok(place));
        assert_eq!(watch.ends.of(Topic::Leads), [0, 0, 0, 1]);
        assert_eq!(watch.metrics.counted(KAFKA_FAILURES, ["leads"]), 1);
    }
}
