//! Counts for a progress line, while the books are still being written.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What was told so far.
#[derive(Debug, Default)]
pub struct Live {
    pub(crate) clicks: AtomicU64,
    pub(crate) pings: AtomicU64,
    pub(crate) quoted: AtomicU64,
    pub(crate) leads: AtomicU64,
    pub(crate) sold: AtomicU64,
    pub(crate) pending: AtomicU64,
    pub(crate) conversions: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unanswered: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "counts of what their names say")]
pub struct Counts {
    pub clicks: u64,
    pub pings: u64,
    pub quoted: u64,
    pub leads: u64,
    pub sold: u64,
    pub pending: u64,
    pub conversions: u64,
    pub refused: u64,
    pub unanswered: u64,
}

impl Live {
    pub(crate) fn up(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        Counts {
            clicks: self.clicks.load(Relaxed),
            pings: self.pings.load(Relaxed),
            quoted: self.quoted.load(Relaxed),
            leads: self.leads.load(Relaxed),
            sold: self.sold.load(Relaxed),
            pending: self.pending.load(Relaxed),
            conversions: self.conversions.load(Relaxed),
            refused: self.refused.load(Relaxed),
            unanswered: self.unanswered.load(Relaxed),
        }
    }
}
