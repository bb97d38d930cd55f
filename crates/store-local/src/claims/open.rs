//! Leads that have not ended, by partition and age.

use std::collections::BTreeSet;

use domain::LeadId;
use parking_lot::Mutex;
use proto::LeadState;

#[derive(Debug)]
pub(super) struct OpenLeads(Box<[Mutex<ByAge>]>);

/// Leads by when they were received.
type ByAge = BTreeSet<(i64, LeadId)>;

impl OpenLeads {
    pub(super) fn new(partitions: usize) -> Self {
        Self((0..partitions).map(|_| Mutex::default()).collect())
    }

    pub(super) fn insert(&self, partition: usize, state: &LeadState, lead: LeadId) {
        if let Some(open) = self.0.get(partition) {
            open.lock().insert((state.received_at_us, lead));
        }
    }

    pub(super) fn remove(&self, partition: usize, state: &LeadState, lead: LeadId) {
        if let Some(open) = self.0.get(partition) {
            open.lock().remove(&(state.received_at_us, lead));
        }
    }

    /// Oldest first.
    pub(super) fn of(&self, partition: usize) -> Vec<LeadId> {
        let open = self.0.get(partition).map(|open| open.lock());
        open.map_or_else(Vec::new, |open| {
            open.iter().map(|(_, lead)| *lead).collect()
        })
    }
}
