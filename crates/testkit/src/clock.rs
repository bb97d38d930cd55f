//! A clock that stands still until it is told to move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use domain::{Clock, Mono, Timestamp};

/// A settable clock. Clones share the time.
#[derive(Debug, Clone)]
pub struct FakeClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    wall: AtomicI64,
    mono: AtomicU64,
}

impl FakeClock {
    /// Stands at this wall time; monotonic time starts at one hour.
    pub fn new(wall: Timestamp) -> Self {
        Self(Arc::new(Inner {
            wall: AtomicI64::new(wall.as_micros()),
            mono: AtomicU64::new(3_600_000_000),
        }))
    }

    /// Time passes.
    pub fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.0.mono.fetch_add(micros, Ordering::SeqCst);
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        self.0.wall.fetch_add(micros, Ordering::SeqCst);
    }

    /// Somebody sets the wall clock, forward or back; monotonic time does not notice.
    pub fn set_wall(&self, wall: Timestamp) {
        self.0.wall.store(wall.as_micros(), Ordering::SeqCst);
    }

    /// This clock as the port.
    pub fn port(&self) -> Arc<dyn Clock> {
        Arc::new(self.clone())
    }
}

impl Default for FakeClock {
    /// Noon of 22 November 2026, UTC.
    fn default() -> Self {
        Self::new(Timestamp::from_micros(1_795_348_800_000_000))
    }
}

impl Clock for FakeClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_micros(self.0.wall.load(Ordering::SeqCst))
    }

    fn mono(&self) -> Mono {
        Mono::from_micros(self.0.mono.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_when_told() {
        let clock = FakeClock::default();
        let (wall, mono) = (clock.wall(), clock.mono());
        assert_eq!(wall.to_string(), "2026-11-22T12:00:00.000Z");
        assert_eq!(clock.wall(), wall);
        clock.clone().advance(Duration::from_millis(1500));
        assert_eq!(clock.wall().since(wall), Duration::from_millis(1500));
        assert_eq!(clock.mono().since(mono), Duration::from_millis(1500));
        clock.set_wall(wall);
        assert_eq!(clock.wall(), wall);
        assert_eq!(clock.mono().since(mono), Duration::from_millis(1500));
    }
}
