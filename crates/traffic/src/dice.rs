//! Seeded draws for generated traffic: the same seed tells the same story.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of draws.
#[derive(Debug, Clone)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// An independent stream, say for one visitor.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.0.random())
    }

    /// True in this share of all cases.
    pub fn happens(&mut self, share: f64) -> bool {
        self.0.random_bool(share.clamp(0.0, 1.0))
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.random_range(low..=high.max(low))
    }

    /// A span from `low` to `high`.
    pub fn span(&mut self, low: Duration, high: Duration) -> Duration {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.between(micros(low), micros(high)))
    }

    /// One of `choices`; they must not be empty.
    #[expect(
        clippy::indexing_slicing,
        reason = "an index below the length of a non-empty slice"
    )]
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let last = choices.len().saturating_sub(1);
        &choices[self.0.random_range(0..=last)]
    }

    /// Sixteen hex digits: names something in this run.
    pub fn token(&mut self) -> String {
        format!("{:016x}", self.0.random::<u64>())
    }

    /// The time to the next arrival of a Poisson process of `rate` per second.
    pub fn arrival(&mut self, rate: f64) -> Duration {
        let uniform: f64 = self.0.random_range(f64::EPSILON..1.0);
        Duration::try_from_secs_f64(-uniform.ln() / rate.max(f64::EPSILON)).unwrap_or(Duration::MAX)
    }
}
