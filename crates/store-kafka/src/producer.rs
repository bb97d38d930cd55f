//! An idempotent producer for one kind of traffic. A record costs no task and no channel: librdkafka carries a
//! number along and gives it back when it knows the record's fate.

mod callers;
mod polled;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::Clock;
use parking_lot::RwLock;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext};
use rdkafka::statistics::Statistics;
use store::{LogError, Position};
use telemetry::{KAFKA_ACK_SECONDS, KAFKA_FAILURES, Times};

use crate::KafkaOptions;
use crate::error::log_error;
use crate::options::millis;
use crate::watch::Watch;
use callers::{Callers, Ticket};
use polled::Polled;

pub(crate) use callers::{Queued, Receipt};

/// How often a broker is looked for by a record while none can be reached.
const PROBE: Duration = Duration::from_secs(1);

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
            // What they tell is looked at by a metrics scrape, and costs as much whether anything is sent or not.
            .set("statistics.interval.ms", "5000")
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
            callers: Arc::default(),
            acknowledged: watch.metrics.timer(KAFKA_ACK_SECONDS, [watch.client]),
            watch,
            clock: Arc::clone(&clock),
        };
        let client = Polled::new(&config, context.clone())?;
        Ok(Self {
            traffic,
            probed: AtomicU64::new(0),
            config,
            context,
            clock,
            client: RwLock::new(client),
        })
    }

    /// For a caller whose records are waited for at once.
    pub(crate) fn begin(&self) -> Queued {
        self.context.callers.begin(self.clock.mono())
    }

    /// Queues a record alone; what it resolves to is its place once all in-sync replicas have it.
    pub(crate) fn send(&self, record: &Outgoing<'_>) -> Receipt {
        let mut queued = self.begin();
        self.add(&mut queued, record);
        Receipt(queued)
    }

    /// Queues a record now. While no broker can be reached, all but one in a while are refused at once: nobody
    /// waits in vain.
    pub(crate) fn add(&self, queued: &mut Queued, record: &Outgoing<'_>) {
        if self.is_down() && !self.may_probe() {
            let why = "kafka: no broker can be reached".to_owned();
            return queued.refuse(LogError::Unavailable(why));
        }
        let ticket = queued.ticket();
        let sent = match self.queue(ticket, record) {
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::Fatal)) => {
                self.replace();
                self.queue(ticket, record)
            }
            sent => sent,
        };
        if let Err(error) = sent {
            self.context.callers.tell(ticket, Err(log_error(&error)));
        }
    }

    fn queue(&self, ticket: Ticket, record: &Outgoing<'_>) -> KafkaResult<()> {
        let mut message =
            BaseRecord::with_opaque_to(record.name, ticket).partition(i32::from(record.partition));
        message.key = record.key;
        message.payload = record.payload;
        let sent = self.client.read().send(message);
        sent.map_err(|(error, _)| error)
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

/// Hears of the records' fates.
#[derive(Clone)]
struct Deliveries {
    watch: Watch,
    callers: Arc<Callers>,
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
    type DeliveryOpaque = Ticket;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Ticket) {
        let Watch {
            client,
            ends,
            metrics,
        } = &self.watch;
        let fate = match result {
            Ok(message) => {
                let (partition, offset) = (message.partition(), message.offset());
                // Who is told finds the log's end behind it.
                ends.reach_named(message.topic(), partition, offset.saturating_add(1));
                self.down.store(false, Ordering::Release);
                match (u16::try_from(partition), u64::try_from(offset)) {
                    (Ok(partition), Ok(offset)) => Ok(Position { partition, offset }),
                    _ => Err(LogError::Unavailable(format!(
                        "kafka: a record without a place: {partition}/{offset}"
                    ))),
                }
            }
            Err((error, _)) => Err(log_error(error)),
        };
        let is_taken = fate.is_ok();
        let begun = self.callers.tell(ticket, fate);
        match begun {
            _ if !is_taken => metrics.count(KAFKA_FAILURES, [client]),
            Some(begun) => self.acknowledged.record(self.clock.mono().since(begun)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    use store::Topic;
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
