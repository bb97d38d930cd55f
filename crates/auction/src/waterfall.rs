//! The waterfall: what was tried for one lead, and why each step ended as it did.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{BuyerName, ContractName, ContractReason, Micros, Timestamp};

use crate::{Rung, Terms};

/// Rows for contracts that passed the static part, counts for the others: together the book.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waterfall {
    /// One row per contract that was considered.
    pub rows: Vec<Row>,
    /// One row per ping that was sent.
    pub pings: Vec<PingRow>,
    /// How many contracts failed the static part, by reason.
    pub excluded: BTreeMap<ContractReason, u32>,
}

impl Waterfall {
    /// Whether a contract took part: it was asked, or named its price without being asked.
    pub(crate) fn anybody_eligible(&self) -> bool {
        !self.pings.is_empty() || self.rows.iter().any(|row| row.price.is_some())
    }
}

/// How one contract fared. Of the two reasons the later one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The contract.
    pub contract: ContractName,
    /// Its buyer; none if the contract has left the book since it was quoted.
    pub buyer: Option<BuyerName>,
    /// How the ping, or the selection, ended for it; none where the ladder decides.
    pub ping_reason: Option<ContractReason>,
    /// How the ladder ended for it; none if it never got there.
    pub post_reason: Option<ContractReason>,
    /// Its bid or fixed price, once known.
    pub price: Option<Micros>,
    /// Whether a check waited for the whole lead.
    pub deferred: bool,
}

impl Row {
    pub(crate) fn new(terms: &Terms, deferred: bool) -> Self {
        Self {
            contract: terms.contract.clone(),
            buyer: Some(terms.buyer.clone()),
            ping_reason: None,
            post_reason: None,
            price: None,
            deferred,
        }
    }

    /// The row of a quoted contract, whose round is recorded with the quote.
    pub(crate) fn of_quote(rung: &Rung, terms: Option<&Terms>) -> Self {
        Self {
            contract: rung.contract.clone(),
            buyer: terms.map(|terms| terms.buyer.clone()),
            ping_reason: None,
            post_reason: None,
            price: Some(rung.price),
            deferred: false,
        }
    }

    /// The one reason that counts.
    pub fn reason(&self) -> Option<&ContractReason> {
        self.post_reason.as_ref().or(self.ping_reason.as_ref())
    }
}

/// One ping that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingRow {
    /// The contract.
    pub contract: ContractName,
    /// Its buyer.
    pub buyer: BuyerName,
    /// How it ended.
    pub result: PingResult,
    /// When it was sent.
    pub started_at: Timestamp,
    /// Until its answer, or until it was given up.
    pub took: Duration,
    /// The bid as it came.
    pub bid: Option<Micros>,
    /// The buyer's name for it.
    pub bid_id: Option<String>,
    /// Until when it stood, if the buyer said so.
    pub expires: Option<Timestamp>,
}

/// How a ping ended: each that was sent ends in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PingResult {
    /// With a price.
    Bid,
    /// With none.
    NoBid,
    /// Not inside the window.
    Timeout,
    /// With an error or something unreadable.
    Failed,
    /// It was called off: nobody waited for its answer any more.
    Cancelled,
}

impl PingResult {
    /// The word in records and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bid => "bid",
            Self::NoBid => "no_bid",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}
