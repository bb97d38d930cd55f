//! Which seconds the machine was taken from us: steal time above a share of all time.
//!
//! A virtual machine whose host is busy shows pauses that no program on it made; figures leave such
//! seconds out, on both sides of a comparison.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Clock;
use tokio_util::sync::CancellationToken;

/// A second with a larger share of steal is left out.
const ALLOWED: f64 = 0.05;

/// Jiffies of all processors since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spent {
    all: u64,
    stolen: u64,
}

impl Spent {
    /// The first line of `/proc/stat`; none where there is no such file.
    fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<u64> = text
            .lines()
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace()
            .filter_map(|field| field.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal; guest times are part of user.
        let eight = fields.get(..8)?;
        Some(Self {
            all: eight.iter().sum(),
            stolen: *eight.last()?,
        })
    }

    fn noisy_since(self, before: Self) -> bool {
        let all = self.all.saturating_sub(before.all);
        let stolen = self.stolen.saturating_sub(before.stolen);
        all > 0 && stolen as f64 / all as f64 > ALLOWED
    }
}

/// The seconds that were watched, and how they were.
#[derive(Debug, Clone, Default)]
pub struct Seconds(Vec<(i64, i64, bool)>);

impl Seconds {
    /// Whether the whole span was watched and quiet; both ends in microseconds since 1970.
    pub fn quiet(&self, from_us: i64, to_us: i64) -> bool {
        !self
            .0
            .iter()
            .any(|(start, end, noisy)| *noisy && *start < to_us && from_us < *end)
    }

    /// How many seconds were watched.
    pub fn watched(&self) -> usize {
        self.0.len()
    }

    /// How many of them were quiet.
    pub fn kept(&self) -> usize {
        self.0.iter().filter(|(_, _, noisy)| !noisy).count()
    }
}

/// Watches until it is told to stop.
#[derive(Default)]
pub struct Steal(Mutex<Seconds>);

impl Steal {
    /// Looks once a second.
    pub async fn watch(self: Arc<Self>, clock: Arc<dyn Clock>, stop: CancellationToken) {
        let (mut since, mut before) = (clock.wall().as_micros(), Spent::now());
        loop {
            let stopped = tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => false,
                () = stop.cancelled() => true,
            };
            let (at, now) = (clock.wall().as_micros(), Spent::now());
            let noisy = now
                .zip(before)
                .is_some_and(|(now, before)| now.noisy_since(before));
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .0
                .push((since, at, noisy));
            (since, before) = (at, now);
            if stopped {
                return;
            }
        }
    }

    /// What was seen.
    pub fn seconds(&self) -> Seconds {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_the_eighth_number() {
        let spent = |steal| {
            Spent::parse(&format!("cpu  100 0 50 800 0 0 10 {steal} 5 0\ncpu0 1 2")).unwrap()
        };
        assert_eq!(
            spent(40),
            Spent {
                all: 1000,
                stolen: 40
            }
        );
        assert!(!spent(40).noisy_since(spent(40)));
        assert!(spent(90).noisy_since(spent(40)));
        assert_eq!(Spent::parse("cpu0 1 2 3"), None);
    }

    #[test]
    fn a_span_that_touches_a_noisy_second_is_not_quiet() {
        let seconds = Seconds(vec![(0, 10, false), (10, 20, true), (20, 30, false)]);
        assert!(seconds.quiet(0, 10) && seconds.quiet(20, 25));
        assert!(!seconds.quiet(5, 11) && !seconds.quiet(19, 25) && !seconds.quiet(5, 25));
        assert_eq!((seconds.watched(), seconds.kept()), (3, 2));
    }
}
