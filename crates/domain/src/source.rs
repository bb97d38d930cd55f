//! Where time and randomness come from: both are arguments, never read in passing.

use crate::{Mono, Timestamp};

/// A clock. The binary implements it on the operating system, tests on a counter.
pub trait Clock: Send + Sync {
    /// Wall time, for events and people.
    fn wall(&self) -> Timestamp;
    /// Monotonic time, for deadlines.
    fn mono(&self) -> Mono;
}

/// A source of random bytes, for ids, keys and nonces.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);
}

impl dyn Entropy + '_ {
    /// Sixty-four random bits.
    pub fn next_u64(&self) -> u64 {
        let mut out = [0; 8];
        self.fill(&mut out);
        u64::from_le_bytes(out)
    }
}
