//! Journeys in process: only the worker changes them, in log order, so a snapshot of them at the end
//! of a batch is a fold of the log up to there. What came after the last snapshot is delivered again
//! after a restart (`Groups::rewind`), and equal updates give equal revisions.

mod snapshot;
mod table;

use std::collections::BTreeMap;
use std::iter;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use store::{Applied, JourneyUpdate, Journeys, Limits, StoreError};
use tokio::sync::Notify;

use crate::clock::StoreClock;
use crate::error::{FileError, OpenError};
use crate::snapshot::Snapshots;
use table::Table;

/// Journeys of one machine.
#[derive(Clone)]
pub struct LocalJourneys(Arc<Inner>);

struct Inner {
    clock: StoreClock,
    kept: Duration,
    most_updates: usize,
    partitions: usize,
    state: Mutex<State>,
    files: Option<Files>,
}

struct Files {
    snapshots: Mutex<Snapshots>,
    /// Told when a snapshot is due.
    due: Arc<Notify>,
}

struct State {
    table: Table,
    /// Next offset of `events` per partition: what the table holds.
    through: BTreeMap<u16, u64>,
    /// Updates since the last snapshot.
    updates: usize,
    /// Whether there is a snapshot on disk, if only an empty one: it says that the offsets that a
    /// group has committed are worth nothing without a table.
    begun: bool,
}

/// How journeys are kept.
pub(crate) struct Kept {
    /// Where snapshots go, and who is told when one is due; none in memory mode.
    pub(crate) files: Option<(PathBuf, Arc<Notify>)>,
    /// A journey is forgotten when its last event is older.
    pub(crate) for_long: Duration,
    /// How much of one identity is kept.
    pub(crate) limits: Limits,
    /// Updates after which a snapshot is due, unless the table is much larger.
    pub(crate) snapshot_updates: usize,
}

impl LocalJourneys {
    /// Reads the newest snapshot that lies within the log.
    pub(crate) fn open(clock: StoreClock, kept: Kept, ends: &[u64]) -> Result<Self, OpenError> {
        let mut state = State {
            table: Table::new(kept.limits),
            through: BTreeMap::new(),
            updates: 0,
            begun: false,
        };
        let files = match kept.files {
            Some((dir, due)) => {
                let mut snapshots = Snapshots::open(dir)?;
                if let Some(mut content) = snapshots.newest(ends)? {
                    while let Some(item) = content.items.next()? {
                        snapshot::restore(&item, &mut state.table)?;
                    }
                    state.through = (0..).zip(content.through).collect();
                    state.begun = true;
                }
                let snapshots = Mutex::new(snapshots);
                Some(Files { snapshots, due })
            }
            None => None,
        };
        Ok(Self(Arc::new(Inner {
            clock,
            kept: kept.for_long,
            most_updates: kept.snapshot_updates,
            partitions: ends.len(),
            state: Mutex::new(state),
            files,
        })))
    }

    /// Where the table stands, if journeys were ever kept: consumers of `events` start no later.
    pub(crate) fn through(&self) -> Option<Vec<u64>> {
        let state = self.0.state.lock();
        state.begun.then(|| state.through(self.0.partitions))
    }

    /// Below these offsets of `events` nothing is needed to rebuild the table.
    pub(crate) fn covered(&self) -> Option<Vec<u64>> {
        self.0.files.as_ref()?.snapshots.lock().covered()
    }

    /// Writes a snapshot if anything was ever kept. Waits for the disk.
    pub(crate) fn snapshot(&self) -> Result<(), FileError> {
        let Some(files) = &self.0.files else {
            return Ok(());
        };
        // Held throughout: whoever comes next writes a newer one after this.
        let mut snapshots = files.snapshots.lock();
        let (through, items) = {
            let mut state = self.0.state.lock();
            if !state.begun || state.updates == 0 {
                return Ok(());
            }
            state.updates = 0;
            state.table.forget(self.0.clock.now().minus(self.0.kept));
            (
                state.through(self.0.partitions),
                snapshot::of(&state.table).collect::<Vec<_>>(),
            )
        };
        snapshots.write(through, items.into_iter())?;
        Ok(())
    }
}

impl State {
    fn through(&self, partitions: usize) -> Vec<u64> {
        (0..)
            .take(partitions)
            .map(|partition| self.through.get(&partition).copied().unwrap_or(0))
            .collect()
    }
}

impl Inner {
    /// Before the first update ever: from now on committed offsets alone restore nothing.
    fn begin(&self) -> Result<(), StoreError> {
        let Some(files) = &self.files else {
            return Ok(());
        };
        let mut snapshots = files.snapshots.lock();
        if self.state.lock().begun {
            return Ok(());
        }
        snapshots
            .write(vec![0; self.partitions], iter::empty())
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.state.lock().begun = true;
        Ok(())
    }
}

impl Journeys for LocalJourneys {
    async fn apply(
        &self,
        updates: Vec<JourneyUpdate>,
        through: (u16, u64),
    ) -> Result<Applied, StoreError> {
        if !self.0.state.lock().begun {
            self.0.begin()?;
        }
        let mut state = self.0.state.lock();
        state.updates += updates.len();
        let applied = state.table.apply(updates);
        let at = state.through.entry(through.0).or_default();
        *at = (*at).max(through.1);
        // As much has changed as writing it costs.
        if state.updates >= self.0.most_updates.max(state.table.len() / 2)
            && let Some(files) = &self.0.files
        {
            files.due.notify_one();
        }
        Ok(applied)
    }
}
