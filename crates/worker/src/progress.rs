//! How far the worker has come, for readiness, metrics and whoever waits for the tables.

use std::collections::{BTreeMap, BTreeSet};
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

/// The consumer groups that have to read the log again when rows are gone from the tables: who writes them, and who
/// looks whether they are there.
pub const READ_AGAIN: [&str; 2] = [Reader::Tables.group(), Reader::Audit.group()];

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
    /// Readers that have looked at the log.
    begun: Mutex<BTreeSet<Reader>>,
}

impl Progress {
    pub(crate) fn begun(&self, reader: Reader) {
        self.0.begun.lock().insert(reader);
    }

    /// Whether leads and tables are worked on here, as far as there is anything that others do not.
    pub fn is_working(&self) -> bool {
        let begun = self.0.begun.lock();
        [Reader::Leads, Reader::Tables]
            .iter()
            .all(|reader| begun.contains(reader))
    }

    pub(crate) fn reached(&self, place: Place, next_offset: u64) {
        self.0.offsets.lock().insert(place, next_offset);
        self.0.moved.notify_waiters();
    }

    pub(crate) fn lost(&self, place: Place) {
        self.0.offsets.lock().remove(&place);
        self.0.moved.notify_waiters();
    }

    /// Waits until the rows of these records, by partition and next offset, are acknowledged, where this
    /// process is the one that writes them. Gives the partitions of which another does.
    pub(crate) async fn inserted(&self, through: &[((Topic, u16), u64)]) -> Vec<(Topic, u16)> {
        loop {
            // Whoever moves after this line is heard, whoever moved before it is seen.
            let moved = self.0.moved.notified();
            let mut elsewhere = Vec::new();
            let there = {
                let offsets = self.0.offsets.lock();
                through.iter().all(|((topic, partition), next)| {
                    let reached = offsets.get(&(Reader::Tables, *topic, *partition));
                    if reached.is_none() {
                        elsewhere.push((*topic, *partition));
                    }
                    reached.is_none_or(|reached| reached >= next)
                })
            };
            if there {
                return elsewhere;
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

    /// The partitions of topic `events` whose rows this process makes.
    pub(crate) fn events(&self) -> Vec<u16> {
        let offsets = self.0.offsets.lock();
        let of_events = offsets
            .keys()
            .filter(|(reader, topic, _)| (*reader, *topic) == (Reader::Tables, Topic::Events));
        of_events.map(|(_, _, partition)| *partition).collect()
    }

    /// How many records of this process's partitions are not worked off; none while it has none
    /// although there are records. Zero means that everything acknowledged before the call can be read in
    /// the tables, also what follows from it, so far as it is this process's.
    pub fn lag(&self, log: &impl EventLog) -> Option<u64> {
        self.behind(&[Reader::Leads, Reader::Tables], log)
    }

    /// As [`Self::lag`]: how many records were not yet compared with the tables.
    pub fn unaudited(&self, log: &impl EventLog) -> Option<u64> {
        self.behind(&[Reader::Audit], log)
    }

    fn behind(&self, readers: &[Reader], log: &impl EventLog) -> Option<u64> {
        // Offsets are read before ends: what was forwarded before is then counted.
        let offsets = self.0.offsets.lock().clone();
        let mut lag = 0;
        for reader in readers {
            let (mut own, mut records) = (false, false);
            for topic in reader.topics() {
                for (partition, end) in (0..).zip(log.ends(*topic)) {
                    records |= end > 0;
                    if let Some(next) = offsets.get(&(*reader, *topic, partition)) {
                        own = true;
                        lag += end.saturating_sub(*next);
                    }
                }
            }
            if records && !own {
                return None;
            }
        }
        Some(lag)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const OURS: (Topic, u16) = (Topic::Events, 1);
    const THEIRS: (Topic, u16) = (Topic::Events, 2);

    fn tables((topic, partition): (Topic, u16)) -> Place {
        (Reader::Tables, topic, partition)
    }

    /// Whether it is over by now, and with what.
    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn own_rows_are_waited_for_and_others_named() {
        let progress = Progress::default();
        progress.reached(tables(OURS), 5);
        let through = [(OURS, 7), (THEIRS, 9)];
        let mut inserted = pin!(progress.inserted(&through));
        assert_eq!(poll(inserted.as_mut()), None, "5 of 7");
        progress.reached(tables(OURS), 7);
        assert_eq!(poll(inserted.as_mut()), Some(vec![THEIRS]));
    }

    #[test]
    fn a_partition_that_goes_is_no_longer_waited_for() {
        let progress = Progress::default();
        progress.reached(tables(OURS), 5);
        let through = [(OURS, 7)];
        let mut inserted = pin!(progress.inserted(&through));
        assert_eq!(poll(inserted.as_mut()), None);
        progress.lost(tables(OURS));
        assert_eq!(poll(inserted.as_mut()), Some(vec![OURS]));
    }
}
