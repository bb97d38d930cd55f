//! What was read and not taken yet: bounded in bytes, with an order that a revocation keeps.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use store::{Delivery, LogError, Topic};
use tokio::sync::Notify;

/// Deliveries that may wait, however small.
const MOST: usize = 256;

#[derive(Debug)]
pub(super) struct Inbox {
    most_bytes: usize,
    state: Mutex<State>,
    /// For the thread: something was taken.
    taken: Condvar,
    /// For the task: something came.
    came: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Delivery>,
    bytes: usize,
    /// What went wrong last, if nobody was told yet.
    failed: Option<LogError>,
}

impl Inbox {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            state: Mutex::default(),
            taken: Condvar::new(),
            came: Notify::new(),
        }
    }

    /// Puts a delivery behind the others, or its records behind those of its partition that wait: under live input
    /// there are a few at a time, and many small deliveries would fill the inbox. It is the caller who stops when
    /// it is full.
    pub(super) fn put(&self, delivery: Delivery) {
        let mut state = self.state.lock();
        state.bytes += bytes(&delivery);
        state.join(delivery);
        drop(state);
        self.came.notify_one();
    }

    /// A partition is another's: what waits of it is dropped, and the task is told.
    pub(super) fn revoke(&self, topic: Topic, partition: u16) {
        let mut state = self.state.lock();
        let State {
            waiting,
            bytes: sum,
            ..
        } = &mut *state;
        waiting.retain(|delivery| match delivery {
            Delivery::Records {
                topic: of,
                partition: at,
                ..
            } if (*of, *at) == (topic, partition) => {
                *sum = sum.saturating_sub(bytes(delivery));
                false
            }
            _ => true,
        });
        waiting.push_back(Delivery::Revoked { topic, partition });
        drop(state);
        self.came.notify_one();
    }

    /// The task is told, once it has taken what came before.
    pub(super) fn fail(&self, error: LogError) {
        self.state.lock().failed = Some(error);
        self.came.notify_one();
    }

    pub(super) fn is_full(&self) -> bool {
        self.state.lock().is_full(self.most_bytes)
    }

    /// Waits until there is room, something interrupts, or the time is over.
    pub(super) fn wait_for_room(&self, wait: Duration) {
        let mut state = self.state.lock();
        if state.is_full(self.most_bytes) {
            self.taken.wait_for(&mut state, wait);
        }
    }

    /// Waits so long, unless something interrupts.
    pub(super) fn pause(&self, wait: Duration) {
        self.taken.wait_for(&mut self.state.lock(), wait);
    }

    /// Ends a wait of the thread.
    pub(super) fn interrupt(&self) {
        let state = self.state.lock();
        self.taken.notify_all();
        drop(state);
    }

    /// The next delivery. Dropping the future loses nothing.
    pub(super) async fn next(&self) -> Result<Delivery, LogError> {
        loop {
            let came = self.came.notified();
            if let Some(next) = self.take() {
                return next;
            }
            came.await;
        }
    }

    fn take(&self) -> Option<Result<Delivery, LogError>> {
        let mut state = self.state.lock();
        let was_full = state.is_full(self.most_bytes);
        let Some(next) = state.waiting.pop_front() else {
            return state.failed.take().map(Err);
        };
        state.bytes = state.bytes.saturating_sub(bytes(&next));
        if was_full {
            self.taken.notify_all();
        }
        Some(Ok(next))
    }
}

impl State {
    fn join(&mut self, delivery: Delivery) {
        let Delivery::Records {
            topic,
            partition,
            records,
        } = delivery
        else {
            return self.waiting.push_back(delivery);
        };
        // What came last of its partition; a change of hands stays in between.
        let last = self.waiting.iter_mut().rev().find(|waiting| match waiting {
            Delivery::Records {
                topic: of,
                partition: at,
                ..
            }
            | Delivery::Assigned {
                topic: of,
                partition: at,
                ..
            }
            | Delivery::Revoked {
                topic: of,
                partition: at,
            } => (*of, *at) == (topic, partition),
        });
        match last {
            Some(Delivery::Records {
                records: before, ..
            }) => before.extend(records),
            _ => self.waiting.push_back(Delivery::Records {
                topic,
                partition,
                records,
            }),
        }
    }

    fn is_full(&self, most_bytes: usize) -> bool {
        self.bytes >= most_bytes || self.waiting.len() >= MOST
    }
}

fn bytes(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Records { records, .. } => {
            records.iter().map(|record| record.payload.len()).sum()
        }
        Delivery::Assigned { .. } | Delivery::Revoked { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use store::Record;

    fn records(partition: u16, payload: &'static [u8]) -> Delivery {
        Delivery::Records {
            topic: Topic::Leads,
            partition,
            records: vec![Record {
                offset: 0,
                payload: Bytes::from_static(payload),
            }],
        }
    }

    #[tokio::test]
    async fn small_deliveries_of_a_partition_become_one_but_not_over_a_change_of_hands() {
        let inbox = Inbox::new(1 << 20);
        for _ in 0..2 * MOST {
            inbox.put(records(0, b"a"));
            inbox.put(records(1, b"b"));
        }
        assert!(!inbox.is_full());
        inbox.revoke(Topic::Leads, 1);
        inbox.put(records(1, b"c"));
        let lengths = |delivery| match delivery {
            Delivery::Records { records, .. } => records.len(),
            _ => 0,
        };
        for expected in [2 * MOST, 0, 1] {
            assert_eq!(lengths(inbox.next().await.unwrap()), expected);
        }
        assert_eq!(inbox.state.lock().bytes, 0);
    }

    #[tokio::test]
    async fn records_of_a_revoked_partition_never_follow_its_revocation() {
        let inbox = Inbox::new(4);
        inbox.put(records(0, b"ab"));
        inbox.put(records(1, b"cd"));
        assert!(inbox.is_full());
        inbox.revoke(Topic::Leads, 0);
        assert!(!inbox.is_full());
        inbox.fail(LogError::Full);
        let next = inbox.next().await.unwrap();
        assert!(
            matches!(next, Delivery::Records { partition: 1, .. }),
            "{next:?}"
        );
        let next = inbox.next().await.unwrap();
        assert!(
            matches!(next, Delivery::Revoked { partition: 0, .. }),
            "{next:?}"
        );
        assert_eq!(inbox.next().await.unwrap_err(), LogError::Full);
        assert_eq!(inbox.state.lock().bytes, 0);
    }
}
