//! The machine's clock: this driver is a top of its own.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock"
)]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use domain::{Clock, Mono, Timestamp};

/// The operating system's clock; monotonic time counts from when this was made.
#[derive(Debug, Clone, Copy)]
pub struct OsClock(Instant);

impl OsClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for OsClock {
    fn wall(&self) -> Timestamp {
        let age = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_micros(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
    }

    fn mono(&self) -> Mono {
        Mono::from_micros(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}
