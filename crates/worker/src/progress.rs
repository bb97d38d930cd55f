//! How far the worker has come, for readiness, metrics and whoever waits for the tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use store::{EventLog, Topic};

/// Committed offsets. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<BTreeMap<(Topic, u16), u64>>>);

/// The topics the worker reads.
pub(crate) const TOPICS: [Topic; 2] = [Topic::Leads, Topic::Events];

impl Progress {
    pub(crate) fn reached(&self, topic: Topic, partition: u16, next_offset: u64) {
        self.0.lock().insert((topic, partition), next_offset);
    }

    pub(crate) fn lost(&self, topic: Topic, partition: u16) {
        self.0.lock().remove(&(topic, partition));
    }

    pub(crate) fn partitions(&self, topic: Topic) -> Vec<u16> {
        let offsets = self.0.lock();
        offsets
            .keys()
            .filter(|(of, _)| *of == topic)
            .map(|(_, partition)| *partition)
            .collect()
    }

    /// How many records of the log are not yet in the tables; none while a partition with records is
    /// not assigned. Zero means that everything acknowledged before the call can be read.
    pub fn lag(&self, log: &impl EventLog) -> Option<u64> {
        // Commits are read before ends: a record forwarded meanwhile is then counted.
        let offsets = self.0.lock().clone();
        let mut lag = 0;
        for topic in TOPICS {
            for (partition, end) in (0..).zip(log.ends(topic)) {
                let next = match offsets.get(&(topic, partition)) {
                    Some(next) => *next,
                    None if end == 0 => 0,
                    None => return None,
                };
                lag += end.saturating_sub(next);
            }
        }
        Some(lag)
    }
}
