//! A reservation: one lead's claim on all counters of one contract, taken and ended as a whole.
//!
//! `hold -> pin -> commit | release`; a hold expires, a pin never does (only settlement ends it).

use std::fmt;

use crate::{LeadId, Timestamp, Zone};

/// The window over which a cap counts; the window's key is fixed when the hold is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CapWindow {
    /// A calendar day in the contract's zone.
    Day,
    /// For ever.
    Total,
}

impl CapWindow {
    /// The window's name as in the catalog and in `cap(day)`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Total => "total",
        }
    }

    /// The key of the window that `at` falls into: `d20261122`, `total`.
    pub fn period(self, at: Timestamp, zone: &Zone) -> String {
        match self {
            Self::Day => format!("d{}", zone.day(at)),
            Self::Total => "total".to_owned(),
        }
    }
}

/// One counter a reservation uses: `committed + pinned + held + amount <= limit` grants it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CounterUse {
    /// The counter: `{contract}/{period}`.
    pub counter: String,
    /// Which cap this is, for the reason `cap(which)`.
    pub window: CapWindow,
    /// How much of the counter this reservation takes.
    pub amount: i64,
    /// The cap in force when the hold was asked for.
    pub limit: i64,
}

/// A reservation's id: the lead and the attempt number within it, so that asking twice is asking once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId {
    /// The lead it is for.
    pub lead: LeadId,
    /// The leg's number, counted from 1.
    pub leg: u16,
}

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.lead, self.leg)
    }
}

/// All counters of one contract for one leg of one lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// The counters it takes from; empty for a contract without caps.
    pub counters: Vec<CounterUse>,
}
