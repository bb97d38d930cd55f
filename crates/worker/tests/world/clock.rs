//! The world's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::{Clock, Mono, Timestamp};

/// A clock that moves only when told to.
pub(crate) struct Standing(AtomicI64);

impl Standing {
    pub(crate) fn at(at: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(at.as_micros())))
    }

    pub(crate) fn move_to(&self, at: Timestamp) {
        self.0.store(at.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for Standing {
    fn wall(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    fn mono(&self) -> Mono {
        Mono::from_micros(0)
    }
}
