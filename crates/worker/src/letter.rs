//! Records that cannot be read: said aloud, counted, kept, and stepped over.

use data_encoding::BASE64;
use store::{Record, Topic};
use telemetry::{Metrics, WORKER_DEAD_LETTERS};
use warehouse::DeadLetterRow;

/// Makes the row that keeps `record`.
pub(crate) fn dead(
    metrics: &Metrics,
    topic: Topic,
    partition: u16,
    record: &Record,
    error: &dyn std::fmt::Display,
) -> DeadLetterRow {
    let offset = record.offset;
    tracing::error!(topic = topic.as_str(), partition, offset, %error, "record cannot be read");
    metrics.count(WORKER_DEAD_LETTERS, [topic.as_str()]);
    DeadLetterRow {
        topic: topic.as_str().to_owned(),
        partition,
        offset,
        error: error.to_string(),
        payload: BASE64.encode(&record.payload),
    }
}
