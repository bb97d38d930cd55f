//! A topic without files: the same lanes, kept in memory within a limit of bytes.
//!
//! When the limit is reached, records that every consumer has committed go first; if that is not
//! enough the append is refused, as a disk without space would.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use store::LogError;
use tokio::sync::Notify;

#[derive(Debug)]
pub(crate) struct MemoryTopic {
    lanes: Mutex<Lanes>,
    most_bytes: usize,
    pub(super) appended: Notify,
}

#[derive(Debug)]
struct Lanes {
    bytes: usize,
    lanes: Box<[Lane]>,
    /// Committed by every consumer, per lane.
    floor: Box<[u64]>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Lane {
    first: u64,
    records: VecDeque<Bytes>,
}

impl Lane {
    fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }
}

impl MemoryTopic {
    pub(crate) fn new(lanes: u16, most_bytes: usize) -> Self {
        let lanes: Box<[Lane]> = (0..lanes).map(|_| Lane::default()).collect();
        Self {
            lanes: Mutex::new(Lanes {
                bytes: 0,
                floor: vec![0; lanes.len()].into(),
                lanes,
                closed: false,
            }),
            most_bytes,
            appended: Notify::new(),
        }
    }

    pub(crate) fn append(&self, lane: u16, record: Bytes) -> Result<u64, LogError> {
        let mut lanes = self.lanes.lock();
        if lanes.closed {
            return Err(LogError::Unavailable("the log is closed".to_owned()));
        }
        let size = record.len();
        if lanes.bytes + size > self.most_bytes {
            lanes.drop_committed();
        }
        if lanes.bytes + size > self.most_bytes {
            return Err(LogError::NoSpace);
        }
        let Some(to) = lanes.lanes.get_mut(usize::from(lane)) else {
            return Err(LogError::Unavailable("no such partition".to_owned()));
        };
        let offset = to.end();
        to.records.push_back(record);
        lanes.bytes += size;
        drop(lanes);
        self.appended.notify_waiters();
        Ok(offset)
    }

    pub(crate) fn ends(&self) -> Vec<u64> {
        self.lanes.lock().lanes.iter().map(Lane::end).collect()
    }

    pub(crate) fn starts(&self) -> Vec<u64> {
        let lanes = self.lanes.lock();
        lanes.lanes.iter().map(|lane| lane.first).collect()
    }

    pub(crate) fn set_floor(&self, floor: &[u64]) {
        self.lanes.lock().floor = floor.into();
    }

    pub(crate) fn close(&self) {
        self.lanes.lock().closed = true;
        self.appended.notify_waiters();
    }
}

impl Lanes {
    fn drop_committed(&mut self) {
        for (lane, floor) in self.lanes.iter_mut().zip(&self.floor) {
            while lane.first < *floor {
                let Some(record) = lane.records.pop_front() else {
                    break;
                };
                self.bytes -= record.len();
                lane.first += 1;
            }
        }
    }
}

/// A place in each lane.
#[derive(Debug)]
pub(crate) struct MemoryReader {
    pub(super) topic: Arc<MemoryTopic>,
    next: Vec<u64>,
    /// The lane looked at first, so that none starves.
    turn: usize,
}

/// What a look found.
pub(super) enum Look {
    Records(u16, u64, Vec<Bytes>),
    End,
    Closed,
}

impl MemoryReader {
    pub(crate) fn new(topic: Arc<MemoryTopic>, from: Vec<u64>) -> Self {
        Self {
            topic,
            next: from,
            turn: 0,
        }
    }

    pub(super) fn look(&mut self, max_bytes: usize) -> Look {
        let lanes = self.topic.lanes.lock();
        for turn in 0..self.next.len() {
            let at = (self.turn + turn) % self.next.len();
            let (Some(lane), Some(next)) = (lanes.lanes.get(at), self.next.get_mut(at)) else {
                continue;
            };
            let from = (*next).max(lane.first);
            if from >= lane.end() {
                continue;
            }
            let mut size = 0;
            let records: Vec<Bytes> = lane
                .records
                .iter()
                .skip((from - lane.first) as usize)
                .take_while(|record| {
                    let first = size == 0;
                    size += record.len().max(1);
                    first || size <= max_bytes
                })
                .cloned()
                .collect();
            *next = from + records.len() as u64;
            self.turn = at + 1;
            return Look::Records(at as u16, from, records);
        }
        if lanes.closed {
            Look::Closed
        } else {
            Look::End
        }
    }
}
