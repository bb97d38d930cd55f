//! Time in a scenario: it stands while anything can be done, and moves when nothing can.
//!
//! tokio's clock is paused, and a blocking task keeps it from moving by itself: it would do so
//! although a socket has just become readable. All sockets are on this machine and all tasks on
//! one thread, so "nothing can be done" is seen by giving everybody many turns.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use domain::{Clock, Mono, Timestamp};
use tokio::time::Instant;

/// The shortest step of time.
const STEP: Duration = Duration::from_millis(10);
/// Turns in which nothing may happen before time moves.
const TURNS: usize = 100;
/// The kernel gets this long to deliver what was sent.
const DELIVERY: Duration = Duration::from_micros(200);

/// Wall and monotonic time in step with tokio's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SceneClock {
    start: Instant,
    wall: Timestamp,
}

impl SceneClock {
    pub(crate) fn at(wall: Timestamp) -> Self {
        #[expect(clippy::disallowed_methods, reason = "tokio's clock, which is paused")]
        let start = Instant::now();
        Self { start, wall }
    }

    fn passed(&self) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "tokio's clock, which is paused")]
        let now = Instant::now();
        now - self.start
    }
}

impl Clock for SceneClock {
    fn wall(&self) -> Timestamp {
        self.wall.plus(self.passed())
    }

    fn mono(&self) -> Mono {
        let hour = Mono::from_micros(3_600_000_000);
        hour.plus(self.passed())
    }
}

/// Keeps time where it is as long as it lives.
pub(crate) struct Still(#[expect(dead_code, reason = "its end ends the wait")] SyncSender<()>);

impl Still {
    pub(crate) fn stand() -> Self {
        tokio::time::pause();
        let (held, wait) = sync_channel(0);
        drop(tokio::task::spawn_blocking(move || wait.recv().ok()));
        Self(held)
    }
}

/// Gives everybody turns until nobody has anything left to do.
pub(crate) async fn quiet() {
    for _ in 0..2 {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        std::thread::sleep(DELIVERY);
    }
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// Lets time pass, a step at a time, until `done`; at most `limit`. False if that was not enough.
/// Long silences pass in longer steps.
pub(crate) async fn pass_until(limit: Duration, mut done: impl AsyncFnMut() -> bool) -> bool {
    let mut passed = Duration::ZERO;
    loop {
        quiet().await;
        if done().await {
            return true;
        }
        if passed >= limit {
            return false;
        }
        let step = STEP.max(passed / 10).min(limit - passed);
        tokio::time::advance(step).await;
        passed += step;
    }
}

/// Lets what follows at once follow: a timer of no length waits for the next tick.
pub(crate) async fn moment() {
    pass(STEP).await;
}

/// Lets this much time pass.
pub(crate) async fn pass(time: Duration) {
    pass_until(time, async || false).await;
}
