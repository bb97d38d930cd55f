//! How far the worker has come, for readiness, metrics and whoever waits for the tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use store::{EventLog, Topic};

/// One of the worker's two readers of the log, each with offsets of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reader {
    /// Advances leads.
    Leads,
    /// Writes rows.
    Tables,
}

impl Reader {
    /// Its consumer group.
    pub(crate) const fn group(self) -> &'static str {
        match self {
            Self::Leads => "worker-leads",
            Self::Tables => "worker-tables",
        }
    }

    /// What it reads.
    pub(crate) const fn topics(self) -> &'static [Topic] {
        match self {
            Self::Leads => &[Topic::Leads],
            Self::Tables => &[Topic::Leads, Topic::Events],
        }
    }
}

/// A reader's place: reader, topic, partition.
type Place = (Reader, Topic, u16);

/// Committed offsets. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<BTreeMap<Place, u64>>>);

impl Progress {
    pub(crate) fn reached(&self, place: Place, next_offset: u64) {
        self.0.lock().insert(place, next_offset);
    }

    pub(crate) fn lost(&self, place: Place) {
        self.0.lock().remove(&place);
    }

    /// The partitions of topic `leads` whose leads this process advances.
    pub(crate) fn leads(&self) -> Vec<u16> {
        let offsets = self.0.lock();
        let of_leads = offsets
            .keys()
            .filter(|(reader, ..)| *reader == Reader::Leads);
        of_leads.map(|(_, _, partition)| *partition).collect()
    }

    /// How many records of the log are not worked off; none while a partition with records is not
    /// assigned. Zero means that everything acknowledged before the call can be read in the tables,
    /// also what follows from it.
    pub fn lag(&self, log: &impl EventLog) -> Option<u64> {
        // Commits are read before ends: what was forwarded before a commit is then counted.
        let offsets = self.0.lock().clone();
        let mut lag = 0;
        for reader in [Reader::Leads, Reader::Tables] {
            for topic in reader.topics() {
                for (partition, end) in (0..).zip(log.ends(*topic)) {
                    let next = match offsets.get(&(reader, *topic, partition)) {
                        Some(next) => *next,
                        None if end == 0 => 0,
                        None => return None,
                    };
                    lag += end.saturating_sub(next);
                }
            }
        }
        Some(lag)
    }
}
