//! Journeys in process. Memory holds those that were heard of lately; all others are on disk.
//!
//! Only the worker changes them, in log order, so what memory holds between two of its batches is a fold
//! of the log up to there. From time to time a [`LocalJourneys::turn`] closes a generation of them:
//!
//! ```text
//! old, closed at offset S  --rows, synced-->  cold
//! young, at offset T       ------becomes--->  old  --waits until the log is synced up to T-->  snapshot of T
//! ```
//! So a snapshot is one generation, memory is two, and nothing is locked while the disk is written.
//! Replay is exact: what is cold is a part of some snapshot that was written before it, and a snapshot is
//! never ahead of the synced log. After a crash memory is the newest snapshot, as of T; what else was
//! known at T is cold, as of T, because it has not been young since; and rows of a turn that did
//! not come to its end are of those very nodes as of T. What came after T is delivered again
//! (`Groups::rewind`), and equal updates give equal revisions. (If the newest snapshot is damaged the one
//! before is used, and rows may be ahead of it: who learns twice knows once, so journeys are complete then
//! too, but revisions may differ.)
//!
//! An identity is forgotten when its last event is long ago, by the deadline of its row; its clicks,
//! that long after their last use.

mod rows;
mod table;
mod walks;

use std::collections::BTreeMap;
use std::iter;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use parking_lot::Mutex;
use store::{
    Anew, Applied, Identity, JourneyUpdate, Journeys, Limits, Place as Walked, Span, StoreError,
    key,
};
use tokio::sync::Notify;

use crate::clock::StoreClock;
use crate::cold::Cold;
use crate::error::OpenError;
use crate::log::Topic;
use crate::snapshot::Snapshots;
use table::{Generation, Table};
use walks::Walks;

/// Journeys of one machine.
#[derive(Clone)]
pub struct LocalJourneys(Arc<Inner>);

struct Inner {
    clock: StoreClock,
    /// None in memory mode.
    disk: Option<Disk>,
    turns: Turns,
    partitions: usize,
    state: Mutex<State>,
}

/// When a generation is closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turns {
    /// After so many updates: memory holds at most four times as many identities.
    pub(crate) updates: usize,
    /// After so long, if there was any.
    pub(crate) within: Duration,
}

/// Where those are kept that are not in memory.
pub(crate) struct Place {
    /// Where snapshots go.
    pub(crate) dir: PathBuf,
    pub(crate) cold: Cold,
    /// The log that they are a fold of.
    pub(crate) events: Topic,
    /// Told when a turn is due.
    pub(crate) due: Arc<Notify>,
    /// A journey is forgotten when its last event is older.
    pub(crate) kept: Span,
}

struct Disk {
    place: Place,
    written: Mutex<Written>,
}

struct Written {
    snapshots: Snapshots,
    /// Through where the old generation reaches, if no snapshot has it yet.
    missing: Option<Vec<u64>>,
}

struct State {
    table: Table,
    /// Next offset of `events` per partition: what the table holds.
    through: BTreeMap<u16, u64>,
    walks: Walks,
    /// Updates since the last turn.
    updates: usize,
    /// When that was.
    turned: Timestamp,
    /// Whether there is a snapshot on disk, if only an empty one: it says that the offsets that a
    /// group has committed are worth nothing without a table.
    begun: bool,
}

impl LocalJourneys {
    /// Reads the newest snapshot that lies within the log, if there is a place for any.
    pub(crate) fn open(
        clock: StoreClock,
        limits: Limits,
        turns: Turns,
        partitions: usize,
        place: Option<Place>,
    ) -> Result<Self, OpenError> {
        let mut walks = Walks::default();
        let mut old = Generation::default();
        let mut through = None;
        let mut disk = None;
        if let Some(place) = place {
            let mut snapshots = Snapshots::open(place.dir.clone())?;
            if let Some(mut content) = snapshots.newest(&place.events.ends())? {
                while let Some(item) = content.items.next()? {
                    let (identity, node) = rows::read(&item)?;
                    old.restore(identity, node);
                }
                through = Some((0..).zip(content.through).collect());
            }
            walks = Walks::read(&place.dir, through.is_some());
            let written = Mutex::new(Written {
                snapshots,
                missing: None,
            });
            disk = Some(Disk { place, written });
        }
        let cold = disk.as_ref().map(|disk| disk.place.cold.clone());
        let state = State {
            table: Table::new(limits, old, cold),
            begun: through.is_some(),
            through: through.unwrap_or_default(),
            walks,
            updates: 0,
            turned: clock.now(),
        };
        Ok(Self(Arc::new(Inner {
            clock,
            disk,
            turns,
            partitions,
            state: Mutex::new(state),
        })))
    }

    /// Where the table stands, if journeys were ever kept: consumers of `events` start no later.
    pub(crate) fn through(&self) -> Option<Vec<u64>> {
        let state = self.0.state.lock();
        state.begun.then(|| state.through(self.0.partitions))
    }

    /// Below these offsets of `events` nothing is needed to rebuild the table.
    pub(crate) fn covered(&self) -> Option<Vec<u64>> {
        let disk = self.0.disk.as_ref()?;
        disk.written.lock().snapshots.covered()
    }

    /// Closes the generation that is young, if anything has changed. Waits for the disk.
    pub(crate) fn turn(&self) -> Result<(), StoreError> {
        self.0.turn(1)
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
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        let mut written = disk.written.lock();
        if self.state.lock().begun {
            return Ok(());
        }
        let nothing = vec![0; self.partitions];
        written.snapshots.write(nothing, iter::empty())?;
        self.state.lock().begun = true;
        Ok(())
    }

    /// Closes the generation that is young if it has seen so many updates.
    fn turn(&self, least: usize) -> Result<(), StoreError> {
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        // Held throughout: whoever waits for it finds everything done.
        let mut written = disk.written.lock();
        let old = {
            let state = self.state.lock();
            if !state.begun || state.updates < least {
                return Ok(());
            }
            state.table.old()
        };
        // One that no snapshot has is ahead of all: the last turn did not come to its end.
        written.catch_up(&disk.place, &old)?;
        let now = self.clock.now();
        rows::write(&disk.place.cold, &old, now, disk.place.kept.get())?;
        let (closed, through) = {
            let mut state = self.state.lock();
            state.updates = 0;
            state.turned = now;
            state.table.turn();
            (state.table.old(), state.through(self.partitions))
        };
        // Freed here, where nobody waits.
        drop(old);
        written.missing = Some(through);
        written.catch_up(&disk.place, &closed)
    }

    /// Whether as much has changed as writing it down costs, or it is time.
    fn is_due(&self, state: &State) -> bool {
        let since = self.clock.now().minus(self.turns.within);
        state.updates >= self.turns.updates || state.turned <= since
    }
}

impl Written {
    /// Writes the snapshot of the old generation, unless there is one.
    fn catch_up(&mut self, place: &Place, old: &Generation) -> Result<(), StoreError> {
        let Some(through) = self.missing.clone() else {
            return Ok(());
        };
        place.events.wait_until_synced(&through)?;
        let items = old.nodes.iter();
        let items = items.map(|(identity, node)| rows::item(*identity, node));
        self.snapshots.write(through, items)?;
        self.missing = None;
        Ok(())
    }
}

impl Journeys for LocalJourneys {
    async fn apply(
        &self,
        updates: Vec<JourneyUpdate>,
        through: (u16, u64),
        rules: u32,
    ) -> Result<Applied, StoreError> {
        let inner = &self.0;
        if !inner.state.lock().begun {
            inner.begin()?;
        }
        // Who turns them lags: memory stays bounded if this waits for the disk itself.
        let most = inner.turns.updates.saturating_mul(2);
        if inner.state.lock().updates >= most {
            inner.turn(most)?;
        }
        let mut state = inner.state.lock();
        state.walks.judged_by(through.0, rules)?;
        state.updates += updates.len();
        let applied = state.table.apply(updates)?;
        let at = state.through.entry(through.0).or_default();
        *at = (*at).max(through.1);
        if let Some(disk) = &inner.disk
            && inner.is_due(&state)
        {
            disk.place.due.notify_one();
        }
        Ok(applied)
    }

    async fn anew(
        &self,
        partition: u16,
        rules: u32,
        most: usize,
    ) -> Result<Option<Anew>, StoreError> {
        let mut state = self.0.state.lock();
        let Walked::At(behind) = state.walks.judged_by(partition, rules)?.clone() else {
            return Ok(None);
        };
        let partitions = self.0.partitions as u64;
        let here =
            |identity: &Identity| key::identity(identity) % partitions == u64::from(partition);
        state.table.walk(&behind, most, here).map(Some)
    }

    async fn walked(&self, partition: u16, rules: u32, next: Walked) -> Result<(), StoreError> {
        let written = {
            let mut state = self.0.state.lock();
            state.walks.walked(partition, rules, next)?;
            state.walks.clone()
        };
        match &self.0.disk {
            Some(disk) => written.write(&disk.place.dir),
            None => Ok(()),
        }
    }
}
