//! Rates: so many calls a second, and a burst of one second's worth.
//!
//! The algorithm is GCRA (ITU-T I.371), as crate `governor` has it, on a clock that is given.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// A rate that calls are counted against.
pub struct Rate {
    limiter: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Nanos>>,
    ticks: Ticks,
}

impl std::fmt::Debug for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rate")
    }
}

impl Rate {
    /// One of which nothing is used.
    pub fn new(per_second: NonZeroU32, clock: &Arc<dyn domain::Clock>) -> Self {
        let quota = Quota::per_second(per_second);
        let ticks = Ticks(Arc::clone(clock));
        Self {
            limiter: RateLimiter::direct_with_clock(quota, ticks.clone()),
            ticks,
        }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// One too many, and not counted: there is room for it after this time.
    pub fn take(&self) -> Result<(), Duration> {
        let checked = self.limiter.check();
        checked.map_err(|until| until.wait_time_from(self.ticks.now()))
    }
}

/// A clock, as governor asks for it.
#[derive(Clone)]
struct Ticks(Arc<dyn domain::Clock>);

impl Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Duration::from_micros(self.0.mono().as_micros()).into()
    }
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use testkit::FakeClock;

    use super::*;

    #[test]
    fn a_second_has_so_many_and_the_next_one_may_come_when_it_is_told() {
        let time = FakeClock::new(Timestamp::from_micros(0));
        let rate = Rate::new(NonZeroU32::new(4).unwrap(), &time.port());
        for _ in 0..4 {
            assert_eq!(rate.take(), Ok(()));
        }
        let wait = rate.take().unwrap_err();
        assert_eq!(wait, Duration::from_millis(250));
        time.advance(wait);
        assert_eq!(rate.take(), Ok(()));
        assert!(rate.take().is_err());
        // A pause saves up a second's worth and no more.
        time.advance(Duration::from_secs(60));
        let taken = (0..10).filter(|_| rate.take().is_ok()).count();
        assert_eq!(taken, 4);
    }
}
