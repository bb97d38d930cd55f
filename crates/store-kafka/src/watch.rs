//! What the clients tell of themselves: their log lines, and a few of their numbers as metrics.

use std::sync::Arc;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use telemetry::{KAFKA_BROKERS_UP, KAFKA_LAG, KAFKA_QUEUE, Metrics};

use crate::ends::Ends;

/// The context of every client, or a part of it.
#[derive(Clone)]
pub(crate) struct Watch {
    /// Who it is: `leads`, `events`, or a consumer's group.
    pub(crate) client: &'static str,
    pub(crate) ends: Arc<Ends>,
    pub(crate) metrics: Metrics,
}

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        let client = self.client;
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(client, fac, "kafka: {text}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(client, fac, "kafka: {text}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // To have read all there is was asked for.
        if matches!(error, KafkaError::Global(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        tracing::warn!(client = self.client, %error, "kafka: {reason}");
    }

    fn stats(&self, said: Statistics) {
        let gauge = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let brokers = said.brokers.values();
        let up = brokers.filter(|it| it.nodeid >= 0 && it.source != "logical" && it.state == "UP");
        let (client, metrics) = (self.client, &self.metrics);
        metrics.set(KAFKA_BROKERS_UP, [client], gauge(up.count()));
        if said.client_type == "producer" {
            let waiting = i64::try_from(said.msg_cnt).unwrap_or(i64::MAX);
            metrics.set(KAFKA_QUEUE, [client], waiting);
            return;
        }
        let mut lag = 0;
        for (name, topic) in &said.topics {
            for partition in topic.partitions.values().filter(|it| it.desired) {
                lag += partition.consumer_lag.max(0);
                self.ends
                    .reach_named(name, partition.partition, partition.hi_offset);
            }
        }
        metrics.set(KAFKA_LAG, [client], lag);
    }
}

/// Of a client that only asks.
impl ConsumerContext for Watch {}
