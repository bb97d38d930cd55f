//! The list of segments, oldest first; their sequence numbers have no gaps.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::error::ReadError;
use crate::segment::{Segment, reaches};

#[derive(Debug)]
pub(crate) struct Segments {
    /// Never empty: the last one is being written.
    list: Mutex<VecDeque<Arc<Segment>>>,
}

impl Segments {
    pub(crate) fn new(list: VecDeque<Arc<Segment>>) -> Self {
        Self {
            list: Mutex::new(list),
        }
    }

    /// Adds the next one and closes the one before, in this order: who sees it closed finds the next.
    pub(crate) fn push(&self, segment: Arc<Segment>) {
        let mut list = self.list.lock();
        let before = list.back().cloned();
        list.push_back(segment);
        if let Some(before) = before {
            before.seal();
        }
    }

    /// First offset kept per lane.
    pub(crate) fn starts(&self) -> Vec<u64> {
        let list = self.list.lock();
        list.front()
            .map(|first| first.base.to_vec())
            .unwrap_or_default()
    }

    /// The last segment from whose start nothing at or after `from` is missed.
    pub(crate) fn seek(&self, from: &[u64]) -> Result<Arc<Segment>, ReadError> {
        let list = self.list.lock();
        let after = list.partition_point(|segment| reaches(&segment.base, from));
        match after.checked_sub(1).and_then(|index| list.get(index)) {
            Some(segment) => Ok(Arc::clone(segment)),
            None => Err(trimmed(list.front(), from)),
        }
    }

    /// The segment after one that is sealed, for a reader that needs `from`.
    pub(crate) fn after(&self, sequence: u64, from: &[u64]) -> Result<Arc<Segment>, ReadError> {
        let list = self.list.lock();
        let first = list.front().map_or(0, |first| first.sequence);
        // If the next one is gone the reader may still have passed all that went with it.
        let index = (sequence + 1).saturating_sub(first) as usize;
        match list.get(index) {
            Some(next) if sequence + 1 >= first || reaches(&next.base, from) => {
                Ok(Arc::clone(next))
            }
            _ => Err(trimmed(list.front(), from)),
        }
    }

    /// Deletes from the front while a segment is closed, synced (its sequence is below `synced`),
    /// ends at or below `upto` on every lane, and was last written before `older_than`. Gives how
    /// many went.
    pub(crate) fn trim(&self, upto: &[u64], older_than: i64, synced: u64) -> io::Result<usize> {
        let mut gone = 0;
        loop {
            // The file goes first: a crash in between leaves a list that begins where the files do.
            let mut list = self.list.lock();
            let (Some(first), Some(second)) = (list.front(), list.get(1)) else {
                break;
            };
            if first.sequence >= synced || !reaches(&second.base, upto) {
                break;
            }
            let written = fs::metadata(&first.path)?.modified()?;
            let written = written.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            if written.as_micros() >= older_than.max(0) as u128 {
                break;
            }
            fs::remove_file(&first.path)?;
            list.pop_front();
            gone += 1;
        }
        Ok(gone)
    }
}

fn trimmed(first: Option<&Arc<Segment>>, from: &[u64]) -> ReadError {
    let starts = first.map(|first| first.base.as_ref()).unwrap_or_default();
    let lost = starts
        .iter()
        .zip(from)
        .zip(0..)
        .find(|((start, from), _)| from < start);
    match lost {
        Some(((start, from), lane)) => ReadError::Trimmed {
            lane,
            asked: *from,
            start: *start,
        },
        None => ReadError::Trimmed {
            lane: 0,
            asked: 0,
            start: 0,
        },
    }
}
