//! A time that the catalog gives and may change while the service runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A duration in whole microseconds. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Span(Arc<AtomicU64>);

impl Span {
    /// One that begins as this.
    pub fn of(duration: Duration) -> Self {
        let span = Self::default();
        span.set(duration);
        span
    }

    /// As it is now.
    pub fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    /// From now on it is this.
    pub fn set(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.0.store(micros, Ordering::Relaxed);
    }
}
