//! Commits: which partitions are ours now, and the client that may commit for them.
//!
//! librdkafka tells who commits whether it succeeded only if that one waits, blocked, until it is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use store::{LogError, Topic};

use super::session::Context;
use crate::error::log_error;

#[derive(Default)]
pub(super) struct Commits {
    /// The client that is a member now; held while it commits, so that it does not leave meanwhile.
    client: Mutex<Option<Arc<BaseConsumer<Context>>>>,
    /// Our partitions, and where each began.
    ours: Mutex<BTreeMap<(Topic, u16), u64>>,
}

impl Commits {
    /// A client becomes a member.
    pub(super) fn begin(&self, client: Arc<BaseConsumer<Context>>) {
        *self.client.lock() = Some(client);
    }

    /// It is none any more. Gives the partitions that were its own.
    pub(super) fn end(&self) -> Vec<(Topic, u16)> {
        *self.client.lock() = None;
        std::mem::take(&mut *self.ours.lock()).into_keys().collect()
    }

    pub(super) fn gained(&self, topic: Topic, partition: u16, from: u64) {
        self.ours.lock().insert((topic, partition), from);
    }

    pub(super) fn lost(&self, topic: Topic, partition: u16) {
        self.ours.lock().remove(&(topic, partition));
    }

    /// Whether a commit is ours to say: not if the partition is another's now, nor if it came back and the
    /// group has gone further meanwhile.
    pub(super) fn is_ours(&self, (topic, partition, next_offset): (Topic, u16, u64)) -> bool {
        let ours = self.ours.lock();
        let began = ours.get(&(topic, partition));
        began.is_some_and(|from| next_offset >= *from)
    }

    /// Commits, and waits for the answer: as long as the group waits for a member at most.
    pub(super) fn commit(&self, next_offsets: &[(Topic, u16, u64)]) -> Result<(), LogError> {
        let unavailable = |why: &str| LogError::Unavailable(format!("kafka: {why}"));
        let client = self.client.try_lock();
        let client = client.ok_or_else(|| unavailable("a commit before is not answered"))?;
        let Some(client) = &*client else {
            return Err(unavailable("the consumer begins anew"));
        };
        let mut list = TopicPartitionList::with_capacity(next_offsets.len());
        for (topic, partition, next_offset) in next_offsets {
            let name = client.context().watch.ends.name(*topic);
            let next = Offset::Offset(i64::try_from(*next_offset).unwrap_or(i64::MAX));
            list.add_partition_offset(name, i32::from(*partition), next)
                .map_err(|error| log_error(&error))?;
        }
        client
            .commit(&list, CommitMode::Sync)
            .map_err(|error| log_error(&error))
    }
}
