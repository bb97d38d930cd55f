//! Reading a topic in no group: from given offsets, for whoever has to know all of it. Blocks; there is no
//! thread of its own.

use std::time::Duration;

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::KafkaOptions;
use crate::watch::Watch;

/// Between two questions about a partition without a leader.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes and records of one look, about.
const MOST_BYTES: usize = 1 << 20;
const MOST_RECORDS: usize = 4096;

/// A record as it is in Kafka.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) partition: u16,
    pub(crate) offset: u64,
    pub(crate) key: Option<Bytes>,
    /// None where its key ends.
    pub(crate) payload: Option<Bytes>,
}

/// A reading of all partitions of a topic.
pub(crate) struct Scan {
    client: BaseConsumer<Watch>,
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// What is read next.
    next: u64,
    /// What was next to be written when it was asked last.
    end: u64,
}

/// The oldest and the next offset of a partition.
pub(crate) fn ask<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    name: &str,
    partition: u16,
    patience: Duration,
) -> KafkaResult<(u64, u64)> {
    let found = client.fetch_watermarks(name, i32::from(partition), patience);
    let number = |offset| u64::try_from(offset).unwrap_or(0);
    found.map(|(oldest, end)| (number(oldest), number(end)))
}

/// The same of a partition that may have been made just now, and has no leader for a moment.
pub(crate) fn reach<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    name: &str,
    partition: u16,
    patience: Duration,
) -> KafkaResult<(u64, u64)> {
    let mut looks = patience.as_millis() / LOOK.as_millis();
    loop {
        match ask(client, name, partition, patience) {
            Err(error) if looks > 0 && is_electing(&error) => looks -= 1,
            asked => return asked,
        }
        std::thread::sleep(LOOK);
    }
}

fn is_electing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
        )
    )
}

impl Scan {
    /// Begins at `from`, by partition, or at the oldest record if that is gone.
    pub(crate) fn begin(
        options: &KafkaOptions,
        watch: Watch,
        name: &str,
        from: &[u64],
    ) -> KafkaResult<Self> {
        let mut config = options.client(watch.client);
        config
            // A member of nothing: librdkafka wants a name all the same.
            .set("group.id", format!("{}{}", options.prefix, watch.client))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest");
        let client: BaseConsumer<Watch> = config.create_with_context(watch)?;
        let mut places = Vec::with_capacity(from.len());
        let mut all = TopicPartitionList::new();
        for (partition, from) in (0..).zip(from) {
            let (oldest, end) = reach(&client, name, partition, options.patience)?;
            let next = (*from).max(oldest);
            places.push(Place { next, end });
            let offset = Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX));
            all.add_partition_offset(name, i32::from(partition), offset)?;
        }
        client.assign(&all)?;
        Ok(Self { client, places })
    }

    /// Whether all is read that was there when it began.
    pub(crate) fn is_through(&self) -> bool {
        self.places.iter().all(|place| place.next >= place.end)
    }

    /// What is read next, by partition.
    pub(crate) fn next_offsets(&self) -> Vec<u64> {
        self.places.iter().map(|place| place.next).collect()
    }

    /// What comes within `wait`.
    pub(crate) fn look(&mut self, wait: Duration) -> KafkaResult<Vec<Scanned>> {
        let Self { client, places } = self;
        let mut scanned = Vec::new();
        let (mut wait, mut bytes) = (wait, 0);
        while scanned.len() < MOST_RECORDS && bytes < MOST_BYTES {
            let message = match client.poll(wait) {
                None => break,
                Some(Ok(message)) => message,
                // Compaction may have taken what was last: the end is the end all the same.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let place = usize::try_from(partition).ok();
                    if let Some(place) = place.and_then(|at| places.get_mut(at)) {
                        place.next = place.next.max(place.end);
                    }
                    if places.iter().all(|place| place.next >= place.end) {
                        break;
                    }
                    continue;
                }
                Some(Err(KafkaError::MessageConsumption(_))) => break,
                Some(Err(error)) => return Err(error),
            };
            let numbers = (
                u16::try_from(message.partition()),
                u64::try_from(message.offset()),
            );
            let (Ok(partition), Ok(offset)) = numbers else {
                continue;
            };
            if let Some(place) = places.get_mut(usize::from(partition)) {
                place.next = offset.saturating_add(1);
            }
            bytes += message.payload().map_or(0, <[u8]>::len);
            scanned.push(Scanned {
                partition,
                offset,
                key: message.key().map(Bytes::copy_from_slice),
                payload: message.payload().map(Bytes::copy_from_slice),
            });
            wait = Duration::ZERO;
        }
        Ok(scanned)
    }
}
