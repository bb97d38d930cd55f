//! How posts to a contract ended lately: what a bid is worth before it is taken up.
//!
//! A buyer that bids high and rejects half of what it is posted is worth half of its bids:
//! `expected = bid x (1 - penalty)`, `penalty = rejected / (posts + DOUBT)`. The counts halve with
//! every full hour, for all routers at once, so that they can add up what each of them counted, so that what is long ago is forgiven, and `DOUBT` keeps one early reject from ruling
//! a contract out. All of it is integers: the same history gives the same penalty everywhere.

use std::time::Duration;

use domain::{Ppm, Timestamp};

/// Posts that a contract without history is believed to have accepted.
const DOUBT: u64 = 10;
/// What one post counts: halves of it are still counted, down to a thousandth.
const POST: u32 = 1024;
/// The counts halve in this time.
const HALF_LIFE: Duration = Duration::from_secs(3_600);
const HALF_LIFE_US: i64 = 3_600_000_000;
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
        let lives = now.as_micros().div_euclid(HALF_LIFE_US);
        Self {
            counts: Acceptance::default(),
            since: Timestamp::from_micros(lives.saturating_mul(HALF_LIFE_US)),
        }
    }

    /// The counts as they stand at `now`.
    pub fn at(&self, now: Timestamp) -> Acceptance {
        self.aged(now).counts
    }

    /// A post was answered: `rejected` or accepted.
    pub fn note(&mut self, now: Timestamp, rejected: bool) {
        self.add(now, 1, u32::from(rejected));
    }

    /// So many posts were answered at about this time, so many of them with a reject; it may be long ago.
    pub fn add(&mut self, at: Timestamp, posts: u32, rejected: u32) {
        let mut aged = self.aged(at);
        let count = |posts: u32| posts.min(MOST / POST) * POST;
        let added = Acceptance {
            posts: count(posts),
            rejected: count(rejected.min(posts)),
        };
        let added = added.halved(Self::new(at).lives_till(aged.since));
        if aged.counts.posts >= MOST {
            aged.counts = aged.counts.halved(1);
        }
        aged.counts.posts += added.posts;
        aged.counts.rejected += added.rejected;
        *self = aged;
    }

    fn lives_till(&self, later: Timestamp) -> u32 {
        let lives = later.since(self.since).as_secs() / HALF_LIFE.as_secs();
        u32::try_from(lives).unwrap_or(u32::MAX)
    }

    fn aged(&self, now: Timestamp) -> Self {
        let whole = self.lives_till(now);
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
    fn what_several_counted_adds_up_in_any_order() {
        let told = [(0, 3, 1), (2, 5, 5), (1, 1, 0), (5, 2, 1)];
        let tally = |order: &[usize]| {
            let mut tally = Tally::new(at(1));
            for (hours, posts, rejected) in order.iter().map(|index| told[*index]) {
                tally.add(at(hours), posts, rejected);
            }
            tally.at(at(5))
        };
        let whole = tally(&[0, 1, 2, 3]);
        assert_eq!(whole, tally(&[3, 1, 0, 2]));
        assert_eq!(whole.posts, 3 * 32 + 5 * 128 + 64 + 2 * 1024);
    }

    #[test]
    fn counts_stay_bounded_and_a_clock_that_goes_back_changes_nothing() {
        let mut tally = Tally::new(at(5));
        for _ in 0..100_000 {
            tally.note(at(1), true);
        }
        let counts = tally.at(at(0));
        assert!(counts.posts <= 2 * MOST && counts.rejected <= counts.posts);
        assert!(counts.penalty().get() > 990_000);
    }
}
