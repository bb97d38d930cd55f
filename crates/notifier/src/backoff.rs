//! How long an attempt that failed is followed by none.

use std::time::Duration;

use domain::Entropy;

/// Pauses that double, and when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first attempt.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
    /// After so many attempts there is no other.
    pub attempts: u32,
}

impl Backoff {
    /// The pause after so many attempts; none if that was the last. Between half and all of what it
    /// doubled to, so that those who failed together do not come again together.
    pub fn pause(&self, attempts: u32, entropy: &dyn Entropy) -> Option<Duration> {
        if attempts >= self.attempts {
            return None;
        }
        let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
        let whole = self.first.saturating_mul(doubled).min(self.longest);
        let half = whole / 2;
        let micros = u64::try_from((whole - half).as_micros()).unwrap_or(u64::MAX);
        let more = entropy.next_u64().checked_rem(micros).unwrap_or(0);
        Some(half + Duration::from_micros(more))
    }
}

impl Default for Backoff {
    /// From two seconds to an hour: 24 attempts in about half a day.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            longest: Duration::from_secs(3600),
            attempts: 24,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::SeededEntropy;

    #[test]
    fn pauses_double_up_to_the_longest_and_end() {
        let (backoff, entropy) = (Backoff::default(), SeededEntropy::new(7));
        let mut all = Duration::ZERO;
        for attempts in 1..24 {
            let whole = Duration::from_secs(2_u64.pow(attempts)).min(backoff.longest);
            let pause = backoff.pause(attempts, &entropy).unwrap();
            assert!(
                pause >= whole / 2 && pause <= whole,
                "{attempts}: {pause:?}"
            );
            all += pause;
        }
        assert_eq!(backoff.pause(24, &entropy), None);
        let hours = all.as_secs() / 3600;
        assert!((7..14).contains(&hours), "{hours}");
    }
}
