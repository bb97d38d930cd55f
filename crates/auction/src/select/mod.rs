//! Selection: from prices to a ladder, best first.
//!
//! A policy is one file here: a function from the admissible bids to their order. To add one:
//! write `select/<name>.rs`, declare it, give `Rules` a way to name it, add a transcript.

mod highest;

use domain::{ContractName, Micros, Timestamp};

use crate::{Rules, Slot};

pub(crate) use highest::highest;

/// A price that a contract stands for, bid or fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bid {
    /// The contract's place in the book.
    pub slot: Slot,
    /// The contract.
    pub contract: ContractName,
    /// Breaks ties: higher first.
    pub priority: i32,
    /// What it pays.
    pub price: Micros,
    /// The buyer's name for its bid.
    pub bid_id: Option<String>,
    /// Until when the bid stands.
    pub expires: Option<Timestamp>,
}

/// One step of a ladder: a bid, and what the publisher normally gets of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// The contract; its slot is looked up in the book of the day when the ladder is climbed.
    pub contract: ContractName,
    /// What it pays.
    pub price: Micros,
    /// The publisher's normal payout at this price.
    pub payout: Micros,
    /// The buyer's name for its bid.
    pub bid_id: Option<String>,
    /// Until when the bid stands.
    pub expires: Option<Timestamp>,
}

/// The publisher's normal payout at a price, if a sale at it is admissible: payout >= the
/// publisher's floor, margin >= the campaign's.
pub(crate) fn admissible(rules: &Rules, floor: Micros, price: Micros) -> Option<Micros> {
    let payout = rules.payout.of(price);
    let margin = price.minus(payout).ok()?;
    (payout >= floor && margin >= rules.min_margin).then_some(payout)
}
