//! The bounded queue in front of the writer.
//!
//! Policy for "full": the append is refused at once, so that the caller sheds load instead of
//! waiting for a disk. A record counts until it is written, and its ticket and offset are given out
//! here, under the lock that also fixes its place; so its frame is made here as well, and a batch is
//! ready to be written when the writer comes for it. The record itself stays with who made it: memory
//! that one thread takes and another gives back costs both of them more than the copy.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use crate::commit::Urgency;
use crate::error::AppendError;
use crate::frame::{self, Group};
use crate::options::Ack;

/// A batch ends with the append that reaches this.
const BATCH_BYTES: usize = 1 << 20;
/// Batches that were written and wait to be filled again; most of the time one is enough.
const SPARE: usize = 2;

/// Whole appends, as frames, for one write.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: usize,
    payload: usize,
    pub(crate) urgency: Urgency,
    /// Next offset per lane after it.
    pub(crate) next: Box<[u64]>,
}

/// Where an append will be: known when it is queued, true once it is acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) ticket: u64,
    pub(crate) offset: u64,
}

/// What there was to wait for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Batches,
    /// Nothing for as long as it cared to wait.
    Nothing,
    /// Nothing, and there never will be.
    End,
}

/// What is to be written next.
#[derive(Debug)]
pub(crate) enum Next {
    Batch(Batch),
    Nothing,
    /// A batch that was not wanted, and stays where it is.
    Refused,
}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    most_records: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct State {
    batches: VecDeque<Batch>,
    spare: Vec<Batch>,
    records: usize,
    bytes: usize,
    ticket: u64,
    /// Next offset per lane.
    next: Box<[u64]>,
    ended: Option<AppendError>,
}

/// The batch that the next append goes into; `next` is where it begins.
fn open<'q>(
    batches: &'q mut VecDeque<Batch>,
    spare: &mut Vec<Batch>,
    next: &[u64],
) -> Option<&'q mut Batch> {
    let full = |batch: &Batch| batch.bytes.len() >= BATCH_BYTES;
    if batches.back().is_none_or(full) {
        let mut batch = spare.pop().unwrap_or_else(|| Batch {
            bytes: Vec::new(),
            records: 0,
            payload: 0,
            urgency: Urgency::Soon,
            next: next.into(),
        });
        batch.next.copy_from_slice(next);
        batches.push_back(batch);
    }
    batches.back_mut()
}

impl Queue {
    pub(crate) fn new(most_records: usize, most_bytes: usize, next: Box<[u64]>) -> Self {
        let state = State {
            batches: VecDeque::new(),
            spare: Vec::new(),
            records: 0,
            bytes: 0,
            ticket: 0,
            next,
            ended: None,
        };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            most_records,
            most_bytes,
        }
    }

    /// Queues all of `records` next to one another, or none. Gives the place of the last one. The
    /// caller has checked that there is one and that its lanes exist, and sees to it that the writer
    /// hears of them: see [`Self::wake_writer`].
    pub(crate) fn push(
        &self,
        records: impl ExactSizeIterator<Item = (u16, Bytes)>,
        bytes: usize,
        ack: Ack,
    ) -> Result<Place, AppendError> {
        let count = records.len();
        if count > self.most_records || bytes > self.most_bytes {
            return Err(AppendError::TooLarge);
        }
        let mut state = self.state.lock();
        if let Some(error) = state.ended {
            return Err(error);
        }
        if state.records + count > self.most_records || state.bytes + bytes > self.most_bytes {
            return Err(AppendError::Full);
        }
        state.records += count;
        state.bytes += bytes;
        let mut offset = 0;
        let State {
            batches,
            spare,
            next,
            ..
        } = &mut *state;
        if let Some(batch) = open(batches, spare, next) {
            for (index, (lane, payload)) in records.enumerate() {
                let at = usize::from(lane);
                let (Some(next), Some(after)) = (next.get_mut(at), batch.next.get_mut(at)) else {
                    continue;
                };
                offset = mem::replace(next, *next + 1);
                *after = *next;
                let group = if index + 1 == count {
                    Group::Last
                } else {
                    Group::More
                };
                frame::encode(&mut batch.bytes, lane, offset, group, &payload);
            }
            batch.records += count;
            batch.payload += bytes;
            if ack == Ack::Durable {
                batch.urgency = Urgency::Now;
            }
        }
        state.ticket += count as u64;
        let ticket = state.ticket - 1;
        Ok(Place { ticket, offset })
    }

    /// Tells the writer that something is queued, if it sleeps.
    pub(crate) fn wake_writer(&self) {
        self.filled.notify_one();
    }

    /// Waits until something is queued.
    pub(crate) fn wait(&self, patience: Duration) -> Waited {
        let mut state = self.state.lock();
        if state.batches.is_empty() && state.ended.is_none() {
            self.filled.wait_for(&mut state, patience);
        }
        if !state.batches.is_empty() {
            Waited::Batches
        } else if state.ended.is_some() {
            Waited::End
        } else {
            Waited::Nothing
        }
    }

    /// Takes the oldest batch, if it is wanted. Only for who holds the pen: batches are written in order.
    pub(crate) fn next(&self, wanted: impl FnOnce(&Batch) -> bool) -> Next {
        let mut state = self.state.lock();
        match state.batches.pop_front_if(|batch| wanted(batch)) {
            Some(batch) => Next::Batch(batch),
            None if state.batches.is_empty() => Next::Nothing,
            None => Next::Refused,
        }
    }

    /// Makes room for as much as was written.
    pub(crate) fn release(&self, mut written: Batch) {
        let mut state = self.state.lock();
        state.records = state.records.saturating_sub(written.records);
        state.bytes = state.bytes.saturating_sub(written.payload);
        if state.spare.len() < SPARE {
            written.bytes.clear();
            written.bytes.shrink_to(2 * BATCH_BYTES);
            (written.records, written.payload) = (0, 0);
            written.urgency = Urgency::Soon;
            state.spare.push(written);
        }
    }

    /// Refuses every later append with `error`. The first reason stays.
    pub(crate) fn end(&self, error: AppendError) {
        self.state.lock().ended.get_or_insert(error);
        self.filled.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &Queue, records: usize) -> Result<Place, AppendError> {
        let records = vec![(0, Bytes::from_static(b"four")); records];
        let bytes = 4 * records.len();
        queue.push(records.into_iter(), bytes, Ack::Kernel)
    }

    fn next(queue: &Queue) -> Batch {
        match queue.next(|_| true) {
            Next::Batch(batch) => batch,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_full_queue_refuses_until_something_is_written() {
        for (most_records, most_bytes) in [(4, 1000), (1000, 16)] {
            let queue = Queue::new(most_records, most_bytes, [7].into());
            assert_eq!(push(&queue, 5).unwrap_err(), AppendError::TooLarge);
            assert_eq!(push(&queue, 3).unwrap().offset, 9);
            assert_eq!(push(&queue, 2).unwrap_err(), AppendError::Full);
            assert_eq!(push(&queue, 1).unwrap().offset, 10);
            assert_eq!(push(&queue, 1).unwrap_err(), AppendError::Full);

            assert_eq!(queue.wait(Duration::ZERO), Waited::Batches);
            assert!(matches!(queue.next(|_| false), Next::Refused));
            let batch = next(&queue);
            assert_eq!((batch.records, &*batch.next), (4, &[11][..]));
            assert_eq!(
                push(&queue, 1).unwrap_err(),
                AppendError::Full,
                "taken is not written"
            );
            queue.release(batch);
            let place = push(&queue, 1).unwrap();
            assert_eq!((place.ticket, place.offset), (4, 11));

            queue.end(AppendError::Closed);
            queue.end(AppendError::Failed);
            assert_eq!(push(&queue, 1).unwrap_err(), AppendError::Closed);
            assert_eq!(queue.wait(Duration::ZERO), Waited::Batches);
            next(&queue);
            assert!(matches!(queue.next(|_| true), Next::Nothing));
            assert_eq!(queue.wait(Duration::ZERO), Waited::End);
        }
    }
}
