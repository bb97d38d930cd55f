//! One batch: what the consumer delivers until it is enough or has taken long enough.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Clock, Mono};
use store::{Consumer, Delivery, LogError, Record, Topic};

use crate::Progress;
use crate::progress::Reader;

/// When a batch is full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill {
    /// With so many records.
    pub(crate) records: usize,
    /// With so many bytes of them.
    pub(crate) bytes: usize,
}

/// When to wait for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The longest wait for the first records.
    pub(crate) idle: Duration,
    /// A batch that is not full waits for more until then: batches that follow each other are not
    /// needlessly small, one after a silence goes at once.
    pub(crate) not_before: Mono,
    /// So long a batch that is not full waits for more, after a silence too.
    pub(crate) linger: Duration,
}

/// Records by topic and partition, in order.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) records: BTreeMap<(Topic, u16), Vec<Record>>,
    /// Partitions that went to another meanwhile.
    pub(crate) revoked: Vec<(Topic, u16)>,
    count: usize,
    bytes: usize,
    /// Whether more is surely waiting.
    pub(crate) full: bool,
}

impl Gathered {
    /// Whether there is nothing to be told of it.
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.revoked.is_empty()
    }

    /// Where each partition goes on after this batch.
    pub(crate) fn next_offsets(&self) -> impl Iterator<Item = ((Topic, u16), u64)> {
        self.records
            .iter()
            .filter_map(|(at, records)| Some((*at, records.last()?.offset.saturating_add(1))))
    }
}

/// Gathers a batch; an empty one if nothing came. What cannot be read from the log once there is
/// something is the next batch's trouble.
pub(crate) async fn gather<C: Consumer>(
    consumer: &mut C,
    reader: Reader,
    clock: &dyn Clock,
    pace: Pace,
    fill: Fill,
    progress: &Progress,
) -> Result<Gathered, LogError> {
    let mut gathered = Gathered::default();
    let (mut wait, mut waited) = (pace.idle, false);
    while gathered.count < fill.records && gathered.bytes < fill.bytes {
        let delivery = match consumer.next(wait).await {
            Ok(delivery) => delivery,
            Err(error) if gathered.is_empty() => return Err(error),
            Err(_) => return Ok(gathered),
        };
        match delivery {
            None => {
                let rest = pace.not_before.since(clock.mono()).max(pace.linger);
                if gathered.records.is_empty() || waited || rest.is_zero() {
                    return Ok(gathered);
                }
                // More is not waited for record by record: the log keeps it, and one look takes it all.
                waited = true;
                tokio::time::sleep(rest).await;
            }
            Some(Delivery::Assigned {
                topic,
                partition,
                next_offset,
            }) => {
                tracing::debug!(
                    ?reader,
                    topic = topic.as_str(),
                    partition,
                    next_offset,
                    "assigned"
                );
                progress.reached((reader, topic, partition), next_offset);
            }
            Some(Delivery::Revoked { topic, partition }) => {
                tracing::debug!(?reader, topic = topic.as_str(), partition, "revoked");
                progress.lost((reader, topic, partition));
                gathered.records.remove(&(topic, partition));
                gathered.revoked.push((topic, partition));
            }
            Some(Delivery::Records {
                topic,
                partition,
                records,
            }) => {
                wait = Duration::ZERO;
                gathered.count += records.len();
                gathered.bytes += records
                    .iter()
                    .map(|record| record.payload.len())
                    .sum::<usize>();
                let of_partition = gathered.records.entry((topic, partition)).or_default();
                of_partition.extend(records);
            }
        }
    }
    gathered.full = true;
    Ok(gathered)
}
