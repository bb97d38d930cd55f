//! The store's clock: the machine's wall clock, but never back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::{Clock, Timestamp};

#[derive(Clone)]
pub(crate) struct StoreClock {
    clock: Arc<dyn Clock>,
    seen: Latest,
}

/// The latest time that a store's clock has seen.
#[derive(Clone)]
pub(crate) struct Latest(Arc<AtomicI64>);

impl Latest {
    pub(crate) fn get(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

impl StoreClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            seen: Latest(Arc::new(AtomicI64::new(i64::MIN))),
        }
    }

    /// The latest time ever seen.
    pub(crate) fn now(&self) -> Timestamp {
        let wall = self.clock.wall().as_micros();
        let seen = self.seen.0.fetch_max(wall, Ordering::Relaxed);
        Timestamp::from_micros(wall.max(seen))
    }

    /// The latest time, for those who do not read the clock.
    pub(crate) fn latest(&self) -> Latest {
        self.seen.clone()
    }

    /// Time has come at least this far: what was recorded before a restart.
    pub(crate) fn reached(&self, at: Timestamp) {
        self.seen.0.fetch_max(at.as_micros(), Ordering::Relaxed);
    }
}
