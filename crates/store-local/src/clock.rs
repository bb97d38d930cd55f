//! The store's clock: the machine's wall clock, but never back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::{Clock, Timestamp};

#[derive(Clone)]
pub(crate) struct StoreClock {
    clock: Arc<dyn Clock>,
    seen: Arc<AtomicI64>,
}

impl StoreClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            seen: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }

    /// The latest time ever seen.
    pub(crate) fn now(&self) -> Timestamp {
        let wall = self.clock.wall().as_micros();
        let seen = self.seen.fetch_max(wall, Ordering::Relaxed);
        Timestamp::from_micros(wall.max(seen))
    }

    /// Time has come at least this far: what was recorded before a restart.
    pub(crate) fn reached(&self, at: Timestamp) {
        self.seen.fetch_max(at.as_micros(), Ordering::Relaxed);
    }
}
