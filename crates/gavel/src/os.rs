//! The machine's clock and randomness, behind the traits that everybody else is handed.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock and randomness"
)]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use domain::{Clock, Mono, Timestamp};

/// The operating system's clock; monotonic time counts from when this was made.
#[derive(Debug)]
pub(crate) struct OsClock {
    start: Instant,
}

impl OsClock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
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
        Mono::from_micros(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// The operating system's randomness.
#[derive(Debug)]
pub(crate) struct OsEntropy;

impl domain::Entropy for OsEntropy {
    fn fill(&self, out: &mut [u8]) {
        if let Err(error) = getrandom::fill(out) {
            // Ids and keys without randomness would be worse than no service.
            tracing::error!(%error, "the system gives no randomness");
            std::process::abort();
        }
    }
}
