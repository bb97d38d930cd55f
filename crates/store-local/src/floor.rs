//! How far topic `leads` has been worked off, per partition: what may be forgotten lies below.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(crate) struct Floor {
    /// Every consumer group has committed up to here.
    committed: Box<[AtomicU64]>,
    /// Folded up to here, by this process or before its start.
    folded: Box<[AtomicU64]>,
}

impl Floor {
    /// With what recovery has folded.
    pub(crate) fn new(folded: &[u64]) -> Self {
        Self {
            committed: folded.iter().map(|_| AtomicU64::new(0)).collect(),
            folded: folded.iter().map(|end| AtomicU64::new(*end)).collect(),
        }
    }

    pub(crate) fn partitions(&self) -> usize {
        self.committed.len()
    }

    /// The partition of a key.
    pub(crate) fn partition(&self, key: u64) -> usize {
        (key % self.committed.len() as u64) as usize
    }

    pub(crate) fn set_committed(&self, floor: &[u64]) {
        for (at, floor) in self.committed.iter().zip(floor) {
            at.store(*floor, Ordering::Relaxed);
        }
    }

    /// Whether every consumer has passed this offset of the key's partition.
    pub(crate) fn passed(&self, key: u64, next_offset: u64) -> bool {
        self.committed[self.partition(key)].load(Ordering::Relaxed) >= next_offset
    }

    /// Whether the record at this offset was folded before.
    pub(crate) fn was_folded(&self, key: u64, offset: u64) -> bool {
        offset < self.folded[self.partition(key)].load(Ordering::Relaxed)
    }

    pub(crate) fn fold(&self, key: u64, offset: u64) {
        let next = offset.saturating_add(1);
        self.folded[self.partition(key)].fetch_max(next, Ordering::Relaxed);
    }
}
