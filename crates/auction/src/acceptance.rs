//! How posts to a contract ended lately: what a bid is worth before it is taken up.
//!
//! A buyer that bids high and rejects half of what it is posted is worth half of its bids:
//! `expected = bid x (1 - penalty)`, `penalty = rejected / (posts + DOUBT)`. The counts halve with
//! every hour, so that what is long ago is forgiven, and `DOUBT` keeps one early reject from ruling
//! a contract out. All of it is integers: the same history gives the same penalty everywhere.

use std::time::Duration;

use domain::{Ppm, Timestamp};

/// Posts that a contract without history is believed to have accepted.
const DOUBT: u64 = 10;
/// What one post counts: halves of it are still counted, down to a thousandth.
const POST: u32 = 1024;
/// The counts halve in this time.
const HALF_LIFE: Duration = Duration::from_secs(3_600);
/// Counts stay below this, so that a busy contract forgets sooner instead of overflowing.
const MOST: u32 = 1 << 24;

/// Posts that were answered, and how many of them with a reject, in 1024ths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Acceptance {
    /// All that were answered.
    pub posts: u32,
    /// Those that were rejected.
    pub rejected: u32,
}

impl Acceptance {
    /// The share of a bid that is not expected to be paid.
    pub fn penalty(self) -> Ppm {
        let posts = u64::from(self.posts) + DOUBT * u64::from(POST);
        let rejected = u64::from(self.rejected.min(self.posts));
        let ppm = rejected * u64::from(Ppm::ONE.get()) / posts;
        u32::try_from(ppm)
            .ok()
            .and_then(Ppm::new)
            .unwrap_or(Ppm::ONE)
    }

    fn halved(self, times: u32) -> Self {
        let half = |count: u32| count.checked_shr(times).unwrap_or(0);
        Self {
            posts: half(self.posts),
            rejected: half(self.rejected),
        }
    }
}

/// An [`Acceptance`] that is kept up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    counts: Acceptance,
    /// The counts have been halved up to here.
    since: Timestamp,
}

impl Tally {
    /// A contract without history.
    pub fn new(now: Timestamp) -> Self {
        Self {
            counts: Acceptance::default(),
            since: now,
        }
    }

    /// The counts as they stand at `now`.
    pub fn at(&self, now: Timestamp) -> Acceptance {
        self.aged(now).counts
    }

    /// A post was answered: `rejected` or accepted.
    pub fn note(&mut self, now: Timestamp, rejected: bool) {
        let mut aged = self.aged(now);
        if aged.counts.posts >= MOST {
            aged.counts = aged.counts.halved(1);
        }
        aged.counts.posts += POST;
        aged.counts.rejected += if rejected { POST } else { 0 };
        *self = aged;
    }

    fn aged(&self, now: Timestamp) -> Self {
        let lives = now.since(self.since).as_secs() / HALF_LIFE.as_secs();
        let whole = u32::try_from(lives).unwrap_or(u32::MAX);
        Self {
            counts: self.counts.halved(whole),
            since: self.since.plus(HALF_LIFE.saturating_mul(whole)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_micros(1_790_000_000_000_000).plus(Duration::from_secs(hours * 3_600))
    }

    #[test]
    fn a_reject_costs_and_is_forgiven() {
        let mut tally = Tally::new(at(0));
        assert_eq!(tally.at(at(0)).penalty().get(), 0);
        tally.note(at(0), true);
        assert_eq!(tally.at(at(0)).penalty().get(), 1_000_000 / 11);
        for _ in 0..9 {
            tally.note(at(0), true);
        }
        assert_eq!(tally.at(at(0)).penalty().get(), 500_000);
        assert_eq!(tally.at(at(1)).penalty().get(), 333_333);
        assert_eq!(tally.at(at(1000)).penalty().get(), 0);
        tally.note(at(1), false);
        assert_eq!(tally.at(at(1)).penalty().get(), 5 * 1_000_000 / 16);
    }

    #[test]
    fn counts_stay_bounded_and_a_clock_that_goes_back_changes_nothing() {
        let mut tally = Tally::new(at(5));
        for _ in 0..100_000 {
            tally.note(at(1), true);
        }
        let counts = tally.at(at(0));
        assert!(counts.posts <= MOST + POST && counts.rejected <= counts.posts);
        assert!(counts.penalty().get() > 990_000);
    }
}
