//! What is written and not synced yet: everything since the last commit began.
//!
//! The state is one summary, not a list of batches, so a commit covers whatever was written while
//! the one before it ran. The writer waits only when a slow disk has let too much pile up.

use std::fs::File;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::options::Syncs;
use crate::segment::Segment;

/// Most bytes written and not yet synced.
const MOST_UNSYNCED: u64 = 64 << 20;

/// A file with unsynced bytes.
#[derive(Debug, Clone)]
pub(crate) struct Dirty {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<File>,
}

/// One write.
#[derive(Debug)]
pub(crate) struct Written<'a> {
    pub(crate) segment: &'a Arc<Segment>,
    pub(crate) file: &'a Arc<File>,
    /// Length of the file after it.
    pub(crate) position: u64,
    /// Records written so far.
    pub(crate) ticket: u64,
    /// Next offset per lane after it.
    pub(crate) ends: &'a [u64],
    pub(crate) bytes: u64,
    pub(crate) urgency: Urgency,
}

/// Whether somebody waits for the sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Urgency {
    #[default]
    Soon,
    Now,
}

impl Urgency {
    /// Whether the thread that wrote syncs too, with nobody woken for it.
    pub(crate) fn is_met_by_writer(self, syncs: Syncs) -> bool {
        (self, syncs) == (Self::Now, Syncs::Writing)
    }
}

/// Work for one commit.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    /// Oldest first; the last one is the segment of `position`.
    pub(crate) files: Vec<Dirty>,
    pub(crate) position: u64,
    pub(crate) ticket: u64,
    pub(crate) ends: Vec<u64>,
    pub(crate) bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Commits {
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: Commit,
    urgency: Urgency,
    /// Bytes of the commit that is running.
    running: u64,
    ended: bool,
    failed: bool,
}

impl State {
    fn has_room(&self) -> bool {
        self.next.bytes + self.running <= MOST_UNSYNCED || self.failed
    }
}

impl Commits {
    /// Takes note of a write. Whether its thread syncs what somebody waits for: then no other is woken.
    pub(crate) fn written(&self, written: &Written<'_>, syncs: Syncs) {
        let mut state = self.state.lock();
        let was_clean = state.next.files.is_empty();
        let known = state
            .next
            .files
            .last()
            .is_some_and(|last| Arc::ptr_eq(&last.segment, written.segment));
        if !known {
            let segment = Arc::clone(written.segment);
            state.next.files.push(Dirty {
                segment,
                file: Arc::clone(written.file),
            });
        }
        state.next.position = written.position;
        state.next.ticket = written.ticket;
        state.next.ends.clear();
        state.next.ends.extend_from_slice(written.ends);
        state.next.bytes += written.bytes;
        state.urgency = state.urgency.max(written.urgency);
        // A syncer that waits out its 5 ms is left alone unless somebody waits for it.
        let wake = match written.urgency {
            Urgency::Now => !written.urgency.is_met_by_writer(syncs),
            Urgency::Soon => was_clean,
        };
        if wake {
            self.work.notify_one();
        }
    }

    /// Whether no more is unsynced than may be.
    pub(crate) fn has_room(&self) -> bool {
        self.state.lock().has_room()
    }

    /// Waits while too much is unsynced.
    pub(crate) fn wait_for_room(&self) {
        self.room
            .wait_while(&mut self.state.lock(), |state| !state.has_room());
    }

    /// The writer has written its last.
    pub(crate) fn end(&self) {
        self.state.lock().ended = true;
        self.work.notify_one();
    }

    /// Nothing will be synced any more.
    pub(crate) fn fail(&self) {
        let mut state = self.state.lock();
        state.failed = true;
        state.ended = true;
        drop(state);
        self.work.notify_one();
        self.room.notify_one();
    }

    /// Waits until something is to be synced: at once if somebody waits for it, else `patience` after
    /// there is something. Another may have come first. False after the end.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let mut state = self.state.lock();
        self.work.wait_while(&mut state, |state| {
            state.next.files.is_empty() && !state.ended
        });
        self.work.wait_while_for(
            &mut state,
            |state| state.urgency == Urgency::Soon && !state.ended,
            patience,
        );
        let over = state.failed || (state.ended && state.next.files.is_empty());
        !over
    }

    /// Swaps everything unsynced into `into`, which is a commit that is done. False if there is nothing.
    pub(crate) fn take(&self, into: &mut Commit) -> bool {
        into.files.clear();
        into.bytes = 0;
        let mut state = self.state.lock();
        if state.next.files.is_empty() || state.failed {
            return false;
        }
        state.urgency = Urgency::Soon;
        state.running = state.next.bytes;
        mem::swap(&mut state.next, into);
        true
    }

    /// What was taken is synced.
    pub(crate) fn done(&self) {
        self.state.lock().running = 0;
        self.room.notify_one();
    }
}
