//! Selection: which price comes first.
//!
//! Contracts stand in ordered tiers, and a policy orders the bids inside each. What a bid is worth to
//! a policy is [`RankBy`], less the share of it that the contract's measured rejects say will not be
//! paid. Payouts are no part of a policy: they follow from the price.
//!
//! How to add a policy:
//! 1. write `select/<name>.rs` with its order of two bids, and say what comes first;
//! 2. end it with [`ties`], so that the order is total;
//! 3. name it in [`Policy`] and in `order` below;
//! 4. give it a word in the catalog, with an example that is shipped;
//! 5. show it in a scenario of `tests/transcripts`, and teach `tests/laws/naive.rs` to it.

mod highest;
mod priority;
mod round_robin;

use std::cmp::{Ordering, Reverse};

use domain::{ContractName, Micros, Payout, Timestamp};

use crate::{Acceptance, Rules, Slot, Terms};

/// Who comes first among the bids of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Policy {
    /// Who is worth the most.
    #[default]
    Highest,
    /// Who has the highest priority, whatever it pays.
    Priority,
    /// Who came first the longest ago.
    RoundRobin,
}

/// What a bid is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum RankBy {
    /// What the buyer pays.
    #[default]
    Revenue,
    /// What the publisher gets of it.
    Payout,
    /// What is left of it.
    Margin,
}

/// A price that a contract stands for, bid or fixed, with all that decides its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bid {
    /// The contract's place in the book.
    pub slot: Slot,
    /// The contract.
    pub contract: ContractName,
    /// Lower tiers come first.
    pub tier: u16,
    /// Breaks ties: higher first.
    pub priority: i32,
    /// How its posts ended lately.
    pub acceptance: Acceptance,
    /// When it came first the last time; 0 if never.
    pub turn: u64,
    /// What it pays.
    pub price: Micros,
    /// The publisher's normal payout at this price.
    pub payout: Micros,
    /// What it is worth by the campaign's rule.
    pub worth: Micros,
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

impl From<Bid> for Rung {
    fn from(bid: Bid) -> Self {
        Self {
            contract: bid.contract,
            price: bid.price,
            payout: bid.payout,
            bid_id: bid.bid_id,
            expires: bid.expires,
        }
    }
}

impl Rules {
    /// The publisher's normal payout of what a contract pays: a contract's own margin goes before the
    /// publisher's, and a fixed payout is fixed.
    pub fn payout_of(&self, terms: &Terms, price: Micros) -> Micros {
        let payout = match (self.payout, terms.margin) {
            (Payout::Margin(_), Some(own)) => Payout::Margin(own),
            (payout, _) => payout,
        };
        payout.of(price)
    }

    /// The normal payout of a price, if a sale at it is admissible: payout >= the publisher's floor,
    /// margin >= the campaign's.
    pub(crate) fn admissible(&self, terms: &Terms, floor: Micros, price: Micros) -> Option<Micros> {
        let payout = self.payout_of(terms, price);
        let margin = price.minus(payout).ok()?;
        (payout >= floor && margin >= self.min_margin).then_some(payout)
    }

    /// What a sale at this price and payout is expected to be worth.
    pub(crate) fn worth(&self, price: Micros, payout: Micros, acceptance: Acceptance) -> Micros {
        let whole = match self.rank_by {
            RankBy::Revenue => price,
            RankBy::Payout => payout,
            // It fits: it is not below `min_margin`, or it is never compared.
            RankBy::Margin => price.minus(payout).unwrap_or(Micros::ZERO),
        };
        if self.penalty {
            whole.share_floor(acceptance.penalty().rest())
        } else {
            whole
        }
    }
}

/// The order of two admissible bids: less is better, and two contracts are never equal.
pub(crate) fn order(policy: Policy, a: &Bid, b: &Bid) -> Ordering {
    a.tier.cmp(&b.tier).then_with(|| match policy {
        Policy::Highest => highest::order(a, b),
        Policy::Priority => priority::order(a, b),
        Policy::RoundRobin => round_robin::order(a, b),
    })
}

/// What decides where a policy does not: priority, acceptance, the lower name.
fn ties(a: &Bid, b: &Bid) -> Ordering {
    let key = |bid: &Bid| (Reverse(bid.priority), bid.acceptance.penalty());
    key(a)
        .cmp(&key(b))
        .then_with(|| a.contract.cmp(&b.contract))
}
