//! What the handle, the threads and the readers share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::commit::Commits;
use crate::error::{AppendError, Failure};
use crate::options::{Ack, OnFailure, Options};
use crate::progress::Progress;
use crate::queue::Queue;
use crate::runway::Runway;
use crate::segments::Segments;
use crate::space::SpaceGate;
use crate::writer::Pen;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) queue: Queue,
    pub(crate) pen: Mutex<Pen>,
    pub(crate) runway: Runway,
    pub(crate) commits: Commits,
    pub(crate) segments: Segments,
    pub(crate) space: SpaceGate,
    /// Next offset per lane that readers will see.
    pub(crate) ends: Box<[AtomicU64]>,
    /// Next offset per lane up to which everything is synced.
    pub(crate) durable_ends: Box<[AtomicU64]>,
    /// Sequence of the segment that holds the synced mark.
    pub(crate) synced: AtomicU64,
    pub(crate) written: Progress,
    pub(crate) durable: Progress,
    /// An append is about to be written, and all that is queued by then.
    pub(crate) telling: AtomicBool,
    /// Told after each write, and at the end.
    pub(crate) appended: Notify,
    /// Nothing will be written any more.
    pub(crate) closed: AtomicBool,
}

impl Shared {
    pub(crate) fn progress(&self, ack: Ack) -> &Progress {
        match ack {
            Ack::Kernel => &self.written,
            Ack::Durable => &self.durable,
        }
    }

    /// The end of the stream: readers get what is left, then nothing.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.appended.notify_waiters();
    }

    /// A write or a sync failed: nothing after it can be promised.
    pub(crate) fn fail(&self, failure: &Failure) {
        tracing::error!(
            during = failure.during,
            file = %failure.file.display(),
            error = %failure.source,
            "journal failed"
        );
        match self.options.on_failure {
            OnFailure::Abort => std::process::abort(),
            OnFailure::Stop => self.stop(),
        }
    }

    fn stop(&self) {
        self.queue.end(AppendError::Failed);
        self.runway.end();
        self.commits.fail();
        self.written.fail();
        self.durable.fail();
        self.close();
    }
}

/// Held by each thread: if it panics nobody waits for it for ever.
#[derive(Debug)]
pub(crate) struct Watch<'a>(pub(crate) &'a Shared);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            match self.0.options.on_failure {
                OnFailure::Abort => std::process::abort(),
                OnFailure::Stop => self.0.stop(),
            }
        }
    }
}
