//! How far the worker has come, for readiness, metrics and whoever waits for the tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use store::{EventLog, Topic};
use tokio::sync::Notify;

/// One of the worker's readers of the log, each with offsets of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reader {
    /// Advances leads.
    Leads,
    /// Writes rows.
    Tables,
    /// Looks whether they are there.
    Audit,
}

impl Reader {
    /// Its consumer group.
    pub(crate) const fn group(self) -> &'static str {
        match self {
            Self::Leads => "worker-leads",
            Self::Tables => "worker-tables",
            Self::Audit => "worker-audit",
        }
    }

    /// What it reads.
    pub(crate) const fn topics(self) -> &'static [Topic] {
        match self {
            Self::Leads => &[Topic::Leads],
            Self::Tables | Self::Audit => &[Topic::Leads, Topic::Events],
        }
    }
}

/// A reader's place: reader, topic, partition.
type Place = (Reader, Topic, u16);

/// Offsets up to which records are worked off. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    offsets: Mutex<BTreeMap<Place, u64>>,
    moved: Notify,
}

impl Progress {
    pub(crate) fn reached(&self, place: Place, next_offset: u64) {
        self.0.offsets.lock().insert(place, next_offset);
        self.0.moved.notify_waiters();
    }

    pub(crate) fn lost(&self, place: Place) {
        self.0.offsets.lock().remove(&place);
    }

    /// Waits until the rows of these records, by partition and next offset, are acknowledged. Their
    /// partitions have to be this process's.
    pub(crate) async fn inserted(&self, through: &[((Topic, u16), u64)]) {
        loop {
            // Whoever moves after this line is heard, whoever moved before it is seen.
            let moved = self.0.moved.notified();
            let there = {
                let offsets = self.0.offsets.lock();
                through.iter().all(|((topic, partition), next)| {
                    let reached = offsets.get(&(Reader::Tables, *topic, *partition));
                    reached.is_some_and(|reached| reached >= next)
                })
            };
            if there {
                return;
            }
            moved.await;
        }
    }

    /// The partitions of topic `leads` whose leads this process advances.
    pub(crate) fn leads(&self) -> Vec<u16> {
        let offsets = self.0.offsets.lock();
        let of_leads = offsets
            .keys()
            .filter(|(reader, ..)| *reader == Reader::Leads);
        of_leads.map(|(_, _, partition)| *partition).collect()
    }

    /// How many records of the log are not worked off; none while a partition with records is not
    /// assigned. Zero means that everything acknowledged before the call can be read in the tables,
    /// also what follows from it.
    pub fn lag(&self, log: &impl EventLog) -> Option<u64> {
        self.behind(&[Reader::Leads, Reader::Tables], log)
    }

    /// How many records of the log were not yet compared with the tables; none while a partition
    /// with records is not assigned.
    pub fn unaudited(&self, log: &impl EventLog) -> Option<u64> {
        self.behind(&[Reader::Audit], log)
    }

    fn behind(&self, readers: &[Reader], log: &impl EventLog) -> Option<u64> {
        // Offsets are read before ends: what was forwarded before is then counted.
        let offsets = self.0.offsets.lock().clone();
        let mut lag = 0;
        for reader in readers {
            for topic in reader.topics() {
                for (partition, end) in (0..).zip(log.ends(*topic)) {
                    let next = match offsets.get(&(*reader, *topic, partition)) {
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
