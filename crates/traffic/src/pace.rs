//! Open-loop pacing: when something is due depends on the rate alone, never on how fast the last
//! request was answered.
//!
//! A driver that falls behind starts what is overdue at once and measures from the moment it was due,
//! so a stall of the service shows in every request that should have been sent during it (no
//! coordinated omission).

use std::time::Duration;

use domain::{Clock, Mono};

use crate::Dice;

/// Arrivals of a Poisson process.
pub struct Pace {
    dice: Dice,
    rate: f64,
    due: Mono,
    end: Mono,
}

impl Pace {
    /// `rate` arrivals per second from `start` for `length`.
    pub fn new(dice: Dice, rate: f64, start: Mono, length: Duration) -> Self {
        Self {
            dice,
            rate,
            due: start,
            end: start.plus(length),
        }
    }

    /// The moment of the next arrival; none after the end.
    pub fn next_due(&mut self) -> Option<Mono> {
        self.due = self.due.plus(self.dice.arrival(self.rate));
        (self.due < self.end).then_some(self.due)
    }

    /// Waits for the next arrival; returns when it was due, or none after the end.
    pub async fn next(&mut self, clock: &dyn Clock) -> Option<Mono> {
        let due = self.next_due()?;
        let wait = due.since(clock.mono());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_keep_their_rate_and_their_seed() {
        let arrivals = |seed| {
            let mut pace = Pace::new(
                Dice::new(seed),
                50.0,
                Mono::default(),
                Duration::from_secs(100),
            );
            std::iter::from_fn(|| pace.next_due()).collect::<Vec<_>>()
        };
        let first = arrivals(1);
        assert!((4_700..5_300).contains(&first.len()), "{}", first.len());
        assert!(first.is_sorted());
        assert_eq!(first, arrivals(1));
        assert_ne!(first, arrivals(2));
    }
}
