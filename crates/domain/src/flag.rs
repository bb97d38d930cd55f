//! What is odd about a sale that stands: recorded with it, shown in `posts`, counted, never undone.

/// A flag of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SaleFlag {
    /// The buyer's answer named another price than its bid: the bid was booked.
    PriceChanged,
    /// The buyer's answer named more than was held for it: what was held was booked.
    PriceCut,
    /// The publisher is paid more than the buyer pays.
    NegativeMargin,
}

impl SaleFlag {
    /// The word in records, tables and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PriceChanged => "price_changed",
            Self::PriceCut => "price_cut",
            Self::NegativeMargin => "negative_margin",
        }
    }
}
