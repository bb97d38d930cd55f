//! A reservation: one lead's claim on all counters that a contract counts in, taken and ended as a whole.
//!
//! `hold -> pin -> commit | release`; a hold expires, a pin never does (only settlement ends it).

use std::fmt;

use crate::{CapUnit, CounterKey, Counts, LeadId, Micros};

/// One counter a reservation uses: `committed + pinned + held + amount <= limit` grants it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CounterUse {
    /// The counter.
    pub key: CounterKey,
    /// How much of the counter this reservation takes: leads, or micros.
    pub amount: i64,
    /// The cap in force when the hold was asked for.
    pub limit: i64,
}

impl CounterUse {
    /// Whether a leg that came to this has used its units up.
    pub fn is_used(&self, usage: Usage) -> bool {
        match usage {
            Usage::Sold => true,
            Usage::Sent => self.key.meter.counts() == Counts::Sent,
            Usage::Nothing => false,
        }
    }
}

/// What a leg has used of its reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Usage {
    /// Everything: it was sold.
    Sold,
    /// What is used up by a post that left: it was sent, and not sold.
    Sent,
    /// Nothing: its post never left.
    Nothing,
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

/// All counters that a contract counts one leg of one lead in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// The counters it takes from; empty for a contract without caps.
    pub counters: Vec<CounterUse>,
}

impl Reservation {
    /// The same at another price: what it takes of money is this.
    #[must_use]
    pub fn at_price(mut self, price: Micros) -> Self {
        for take in &mut self.counters {
            if take.key.meter.unit() == CapUnit::Money {
                take.amount = price.get();
            }
        }
        self
    }
}
