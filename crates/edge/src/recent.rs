//! The conversions of the last while, so that an answer can say `duplicate` or `updated`.
//!
//! A courtesy: it forgets, and other nodes know other ones. The worker decides.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use parking_lot::Mutex;

/// Entries of one generation, as many as its table has room for before it doubles; two are kept, 16 bytes of
/// payload each: what a batch looks up has to stay near the processor.
const GENERATION: usize = 28 * 1024;

/// A conversion's key, hashed.
pub(crate) type Key = [u8; 16];
/// What was last said of it, hashed.
pub(crate) type Content = [u8; 16];

/// What is known of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing: it is new, or forgotten.
    New,
    /// It came before, the same.
    Same,
    /// It came before and said something else.
    Other,
}

impl Known {
    /// What the sender is told.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::New => "accepted",
            Self::Same => "duplicate",
            Self::Other => "updated",
        }
    }
}

/// Bounded memory of keys and what was last said of each.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: Remembered,
    old: Remembered,
}

type Remembered = HashMap<u64, u64, BuildHasherDefault<Hashed>>;

/// Half of a hash: enough to tell some ten thousand apart.
fn half(hash: [u8; 16]) -> u64 {
    u128::from_be_bytes(hash) as u64
}

/// Keys are keyed hashes of ours: nobody chooses them, and they are as good a hash as any.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, key: &[u8]) {
        self.0 = key.first_chunk().copied().map_or(0, u64::from_ne_bytes);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Recent {
    /// What was known of `key`, of which now `content` was said.
    pub(crate) fn remember(&self, key: Key, content: Content) -> Known {
        let (key, content) = (half(key), half(content));
        let mut generations = self.0.lock();
        if generations.young.len() >= GENERATION {
            let Generations { young, old } = &mut *generations;
            std::mem::swap(young, old);
            // It keeps its place in memory, and need not grow again.
            young.clear();
        }
        let before = generations.young.insert(key, content);
        match before.or_else(|| generations.old.get(&key).copied()) {
            None => Known::New,
            Some(before) if before == content => Known::Same,
            Some(_) => Known::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_the_recent_ones_and_stays_small() {
        let recent = Recent::default();
        let key = |n: usize| u128::try_from(n).unwrap().to_be_bytes();
        let (one, two) = ([1; 16], [2; 16]);
        assert_eq!(recent.remember(key(0), one), Known::New);
        assert_eq!(recent.remember(key(0), one), Known::Same);
        assert_eq!(recent.remember(key(0), two), Known::Other);
        assert_eq!(recent.remember(key(0), two), Known::Same);
        for n in 1..GENERATION + 1 {
            assert_eq!(recent.remember(key(n), one), Known::New);
        }
        assert_eq!(
            recent.remember(key(0), two),
            Known::Same,
            "the old generation is known"
        );
        for n in 0..4 * GENERATION {
            recent.remember(key(n), one);
        }
        assert_eq!(recent.remember(key(0), one), Known::New);
        let generations = recent.0.lock();
        assert!(generations.young.len() <= GENERATION && generations.old.len() <= GENERATION);
    }
}
