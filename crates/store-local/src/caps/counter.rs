//! One counter: what is committed, what is pinned, and the holds that may expire.

use std::collections::BTreeMap;

use domain::{CapWindow, ReservationId, Timestamp};
use store::counter_kept;

#[derive(Debug, Clone)]
pub(crate) struct Counter {
    pub(crate) window: CapWindow,
    pub(crate) committed: i64,
    pub(crate) pinned: i64,
    /// Sum of `holds`.
    held: i64,
    holds: BTreeMap<(Timestamp, ReservationId), i64>,
    /// When it was last used.
    pub(crate) touched: Timestamp,
}

impl Counter {
    pub(crate) fn new(window: CapWindow, now: Timestamp) -> Self {
        Self {
            window,
            committed: 0,
            pinned: 0,
            held: 0,
            holds: BTreeMap::new(),
            touched: now,
        }
    }

    /// Committed, pinned and held.
    pub(crate) fn reserved(&self) -> i64 {
        self.committed
            .saturating_add(self.pinned)
            .saturating_add(self.held)
    }

    /// Whether `amount` more fits; holds that have expired give way.
    pub(crate) fn fits(&mut self, amount: i64, limit: i64, now: Timestamp) -> bool {
        let fits = |counter: &Self| counter.reserved().saturating_add(amount) <= limit;
        fits(self) || {
            self.sweep(now);
            fits(self)
        }
    }

    /// Drops the holds that have expired.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        while let Some(first) = self.holds.first_entry() {
            if first.key().0 > now {
                break;
            }
            self.held -= first.remove();
        }
    }

    pub(crate) fn hold(&mut self, id: ReservationId, expires: Timestamp, amount: i64) {
        if let Some(before) = self.holds.insert((expires, id), amount) {
            self.held -= before;
        }
        self.held += amount;
    }

    /// Whether this hold is still there.
    pub(crate) fn holds(&self, id: ReservationId, expires: Timestamp) -> bool {
        self.holds.contains_key(&(expires, id))
    }

    /// Takes a hold away.
    pub(crate) fn drop_hold(&mut self, id: ReservationId, expires: Timestamp) {
        if let Some(amount) = self.holds.remove(&(expires, id)) {
            self.held -= amount;
        }
    }

    /// When to look whether it is over; none for one without an end.
    pub(crate) fn check_at(&self) -> Option<Timestamp> {
        counter_kept(self.window).map(|kept| self.touched.plus(kept))
    }

    /// Whether nobody can need it any more: a window of the past, with nothing under way.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.check_at().is_some_and(|due| due <= now) && self.pinned == 0 && self.holds.is_empty()
    }
}
