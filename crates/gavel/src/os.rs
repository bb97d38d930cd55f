//! The machine's clock and randomness, behind the traits that everybody else is handed.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock and randomness"
)]

use std::cell::RefCell;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use domain::{Clock, Mono, Timestamp};

/// The operating system's clock; monotonic time counts from when this was made.
#[derive(Debug)]
pub(crate) struct OsClock {
    start: Instant,
}

impl OsClock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for OsClock {
    fn wall(&self) -> Timestamp {
        let age = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_micros(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
    }

    fn mono(&self) -> Mono {
        Mono::from_micros(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// Random bytes fetched at a time: enough for some dozens of ids.
const POOL: usize = 1024;

/// The operating system's randomness, fetched by each thread some ids ahead: a click needs four random
/// values, and a system call for each costs more than the values do.
#[derive(Debug)]
pub(crate) struct OsEntropy;

/// Random bytes that nobody has had yet; those that were given out are zero.
struct Pool {
    bytes: [u8; POOL],
    left: usize,
}

thread_local! {
    static AHEAD: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL], left: 0 }) };
}

impl Pool {
    fn fill(&mut self, out: &mut [u8]) {
        if out.len() > self.left {
            ask(&mut self.bytes);
            self.left = POOL;
        }
        let rest = self.left.saturating_sub(out.len());
        if let Some(fresh) = self.bytes.get_mut(rest..self.left) {
            out.copy_from_slice(fresh);
            fresh.fill(0);
        }
        self.left = rest;
    }
}

impl domain::Entropy for OsEntropy {
    fn fill(&self, out: &mut [u8]) {
        if out.len() > POOL {
            return ask(out);
        }
        AHEAD.with_borrow_mut(|pool| pool.fill(out));
    }
}

fn ask(out: &mut [u8]) {
    if let Err(error) = getrandom::fill(out) {
        // Ids and keys without randomness would be worse than no service.
        tracing::error!(%error, "the system gives no randomness");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use domain::Entropy as _;

    use super::*;

    #[test]
    fn nothing_is_given_out_twice_and_nothing_is_left_behind() {
        let mut seen = HashSet::new();
        for _ in 0..1000 {
            let mut out = [0; 16];
            OsEntropy.fill(&mut out);
            assert!(seen.insert(out) && out != [0; 16]);
        }
        AHEAD.with_borrow(|pool| {
            assert!(pool.bytes[pool.left..].iter().all(|byte| *byte == 0));
        });
        let mut large = [0; 3 * POOL];
        OsEntropy.fill(&mut large);
        assert!(large.chunks(16).all(|chunk| chunk != [0; 16]));
    }
}
