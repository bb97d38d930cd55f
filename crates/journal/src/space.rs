//! The free-space reserve: new work stops while there is still room to finish what has begun.
//!
//! The writer measures now and then; an append only looks at the last result.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::options::Space;

const PLENTY: u8 = 0;
const RESERVE: u8 = 1;
const SPENT: u8 = 2;

/// Free space of the journal's file system against the reserve.
#[derive(Debug)]
pub(crate) struct SpaceGate {
    dir: File,
    reserve: u64,
    level: AtomicU8,
}

impl SpaceGate {
    pub(crate) fn open(dir: &Path, reserve: u64) -> std::io::Result<Self> {
        let gate = Self {
            dir: File::open(dir)?,
            reserve,
            level: AtomicU8::new(PLENTY),
        };
        gate.measure();
        Ok(gate)
    }

    /// Asks the file system. If that fails the last answer stands: the next write will tell.
    pub(crate) fn measure(&self) {
        let Ok(stat) = rustix::fs::fstatvfs(&self.dir) else {
            return;
        };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let level = match free {
            free if free >= self.reserve => PLENTY,
            // The last part is kept back so that a write never hits the end of the disk, which
            // would end the process.
            free if free >= self.reserve / 16 => RESERVE,
            _ => SPENT,
        };
        if self.level.swap(level, Ordering::Relaxed) != level {
            tracing::warn!(
                free,
                reserve = self.reserve,
                level,
                "journal free space changed level"
            );
        }
    }

    /// Whether an append may go ahead.
    pub(crate) fn allows(&self, space: Space) -> bool {
        match self.level.load(Ordering::Relaxed) {
            PLENTY => true,
            RESERVE => space == Space::Reserve,
            _ => false,
        }
    }
}
