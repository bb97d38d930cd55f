//! How quiet the machine was while something was measured.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// A window with a larger share of steal is dropped: the host took the machine away.
const MOST_STEAL: f64 = 0.05;

/// Processor time of all cores since boot, in ticks.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    all: u64,
    busy: u64,
    stolen: u64,
}

/// What happened between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Noise {
    /// Share of time that the host did not give us.
    pub steal: f64,
    /// Share of time in which the machine worked, for whomever.
    pub busy: f64,
}

impl Machine {
    /// A look at `/proc/stat`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("/proc/stat")?;
        Self::parse(&text).context("/proc/stat is not as expected")
    }

    fn parse(text: &str) -> Option<Self> {
        // user nice system idle iowait irq softirq steal; guest times are part of user.
        let fields: Vec<u64> = text
            .lines()
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace()
            .map_while(|field| field.parse().ok())
            .collect();
        let [user, nice, system, idle, iowait, irq, softirq, steal] = *fields.first_chunk()?;
        let busy = user + nice + system + irq + softirq;
        Some(Self {
            all: busy + idle + iowait + steal,
            busy,
            stolen: steal,
        })
    }

    /// What happened since an earlier look.
    pub fn since(self, before: Self) -> Noise {
        let all = self.all.saturating_sub(before.all).max(1) as f64;
        Noise {
            steal: self.stolen.saturating_sub(before.stolen) as f64 / all,
            busy: self.busy.saturating_sub(before.busy) as f64 / all,
        }
    }
}

impl Noise {
    /// Whether figures of this window count.
    pub fn quiet(self) -> bool {
        self.steal <= MOST_STEAL
    }
}

/// Microseconds, for a report.
pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_a_share_of_all_time() {
        let look = |idle, steal| {
            Machine::parse(&format!("cpu  100 0 50 {idle} 0 0 0 {steal} 9 9\ncpu0 1")).unwrap()
        };
        let noise = look(890, 10).since(look(800, 0));
        assert_eq!((noise.steal, noise.busy), (0.1, 0.0));
        assert!(!noise.quiet());
        assert!(Machine::parse("cpu0 1 2").is_none());
    }
}
