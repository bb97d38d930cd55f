//! Draws that depend on nothing but the seed, the buyer and the request's own id.
//!
//! The same ping or the same idempotency key draws the same answer, whenever and wherever it is asked.

use domain::Micros;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// A stream of draws for one request.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of request `id` at `buyer`; `purpose` keeps pings and posts apart.
    pub(crate) fn new(seed: u64, buyer: &str, purpose: &str, id: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        for part in [buyer, purpose, id] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// True in this share of all cases.
    pub(crate) fn happens(&mut self, share: f64) -> bool {
        self.0.random_bool(share.clamp(0.0, 1.0))
    }

    /// One of `choices` cases, counted from zero.
    pub(crate) fn one_of(&mut self, choices: u32) -> u32 {
        self.0.random_range(0..choices.max(1))
    }

    /// A price in whole cents.
    pub(crate) fn price(&mut self, min: Micros, max: Micros) -> Micros {
        const CENT: i64 = 10_000;
        let (low, high) = (min.get() / CENT, max.get().max(min.get()) / CENT);
        Micros::new(self.0.random_range(low..=high) * CENT)
    }

    /// A span.
    pub(crate) fn span(&mut self, min: Duration, max: Duration) -> Duration {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let (low, high) = (micros(min), micros(max).max(micros(min)));
        Duration::from_micros(self.0.random_range(low..=high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(buyer: &str, purpose: &str, id: &str) -> Micros {
        Draw::new(7, buyer, purpose, id).price(Micros::ZERO, Micros::new(1_000_000_000))
    }

    #[test]
    fn a_draw_depends_on_every_part_and_on_nothing_else() {
        let base = first("b01", "ping", "bp_1");
        assert_eq!(base, first("b01", "ping", "bp_1"));
        assert_ne!(base, first("b02", "ping", "bp_1"));
        assert_ne!(base, first("b01", "post", "bp_1"));
        assert_ne!(base, first("b01", "ping", "bp_2"));
        assert_ne!(
            base,
            Draw::new(8, "b01", "ping", "bp_1").price(Micros::ZERO, Micros::new(1_000_000_000))
        );
    }

    #[test]
    fn a_price_is_in_whole_cents_inside_its_range() {
        for id in 0..500 {
            let price = Draw::new(1, "b", "ping", &id.to_string())
                .price(Micros::new(5_000_000), Micros::new(5_050_000))
                .get();
            assert!(
                (5_000_000..=5_050_000).contains(&price) && price % 10_000 == 0,
                "{price}"
            );
        }
    }
}
