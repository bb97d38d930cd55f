//! What a publisher is paid of a buyer's price: the price less the campaign's margin.

use crate::{Micros, Ppm};

/// How the payout follows from the revenue of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payout {
    /// The publisher gets the revenue less this share, rounded down to the micro.
    Margin(Ppm),
    /// The publisher gets this much, whatever the revenue.
    Fixed(Micros),
}

impl Payout {
    /// The normal payout of a sale at `revenue`. A fixed payout may exceed the revenue: whether
    /// such a sale is admissible is for the auction to decide (`min_margin`).
    #[must_use]
    pub fn of(self, revenue: Micros) -> Micros {
        match self {
            Self::Margin(margin) => revenue.share_floor(margin.rest()),
            Self::Fixed(payout) => payout,
        }
    }
}
