//! How far the stream has come, and who waits for it.
//!
//! Every queued record has a ticket, counted from 0 without gaps. A `Progress` says how many of them
//! have reached one stage (written, or synced), so acknowledging a batch is one store and one pass
//! over the wakers of that batch; nothing is allocated per record. Wakers sit in a ring indexed by
//! ticket, which is never longer than the records under way.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::error::AppendError;

#[derive(Debug, Default)]
pub(crate) struct Progress {
    done: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Ticket of the first slot.
    base: u64,
    slots: VecDeque<Option<Waker>>,
    failed: bool,
}

impl Progress {
    /// Whether `ticket` has passed this stage.
    pub(crate) fn has_passed(&self, ticket: u64) -> bool {
        self.done.load(Ordering::Acquire) > ticket
    }

    /// Ready once `ticket` has passed this stage.
    pub(crate) fn poll(&self, ticket: u64, context: &Context<'_>) -> Poll<Result<(), AppendError>> {
        if self.has_passed(ticket) {
            return Poll::Ready(Ok(()));
        }
        let mut waiting = self.waiting.lock();
        // `advance` stores before it locks: whoever gets the lock after it sees the new value, and
        // whoever gets it before is found in the ring.
        if self.has_passed(ticket) {
            return Poll::Ready(Ok(()));
        }
        if waiting.failed {
            return Poll::Ready(Err(AppendError::Failed));
        }
        let index = ticket.saturating_sub(waiting.base) as usize;
        if waiting.slots.len() <= index {
            waiting.slots.resize_with(index + 1, || None);
        }
        if let Some(slot) = waiting.slots.get_mut(index) {
            match slot {
                Some(known) if known.will_wake(context.waker()) => {}
                _ => *slot = Some(context.waker().clone()),
            }
        }
        Poll::Pending
    }

    /// All tickets below `done` have passed. `woken` is scratch space.
    pub(crate) fn advance(&self, done: u64, woken: &mut Vec<Waker>) {
        self.done.store(done, Ordering::Release);
        {
            let mut waiting = self.waiting.lock();
            let passed = done.saturating_sub(waiting.base) as usize;
            let passed = passed.min(waiting.slots.len());
            for waker in waiting.slots.drain(..passed).flatten() {
                // One task that waits for many records is woken once.
                if !woken.last().is_some_and(|last| last.will_wake(&waker)) {
                    woken.push(waker);
                }
            }
            waiting.base = done;
        }
        for waker in woken.drain(..) {
            waker.wake();
        }
    }

    /// Nothing will pass any more.
    pub(crate) fn fail(&self) {
        let slots = {
            let mut waiting = self.waiting.lock();
            waiting.failed = true;
            std::mem::take(&mut waiting.slots)
        };
        for waker in slots.into_iter().flatten() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_task_is_woken_once_for_a_batch_and_not_before() {
        let progress = Progress::default();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let context = Context::from_waker(&waker);
        for ticket in [5, 2, 3, 3, 9] {
            assert!(progress.poll(ticket, &context).is_pending());
        }
        let woken = || count.0.load(Ordering::Relaxed);
        progress.advance(2, &mut Vec::new());
        assert_eq!(woken(), 0);
        progress.advance(6, &mut Vec::new());
        assert_eq!(woken(), 1);
        assert!(progress.poll(5, &context).is_ready());
        assert!(progress.poll(9, &context).is_pending());
        progress.fail();
        assert_eq!(woken(), 2);
        assert_eq!(
            progress.poll(9, &context),
            Poll::Ready(Err(AppendError::Failed))
        );
        assert_eq!(progress.poll(5, &context), Poll::Ready(Ok(())));
    }
}
