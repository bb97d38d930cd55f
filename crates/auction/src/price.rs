//! What a contract pays for a lead.

use std::sync::Arc;

use domain::Micros;
use filter::{Fields, Filter, Verdict};

/// What a contract pays.
#[derive(Debug, Clone)]
pub enum Price {
    /// Always this.
    Fixed(Micros),
    /// What its rules say of the lead.
    Rules(Arc<PriceRules>),
    /// What it bids, inside these bounds: a bid below `min` is no bid, one above `max` is cut to it.
    Bid {
        /// Least.
        min: Micros,
        /// Most.
        max: Micros,
    },
}

/// Prices by filter: the first that matches counts.
#[derive(Debug)]
pub struct PriceRules {
    /// In this order.
    pub rules: Vec<(Filter, Micros)>,
    /// Where none matches.
    pub otherwise: Micros,
}

/// A price that a contract names by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// The price.
    pub price: Micros,
    /// Whether it hangs on a field that a ping did not carry: it is then the least of those that
    /// the whole lead can come to, so that whatever is quoted on it can be kept.
    pub deferred: bool,
}

impl Price {
    /// The filters of its rules.
    pub(crate) fn filters(&self) -> impl Iterator<Item = &Filter> {
        let rules = match self {
            Self::Rules(rules) => rules.rules.as_slice(),
            Self::Fixed(_) | Self::Bid { .. } => &[],
        };
        rules.iter().map(|(when, _)| when)
    }

    /// What the contract names for a lead; none if it bids.
    pub fn named(&self, lead: &dyn Fields) -> Option<Named> {
        self.named_by(|_, when| when.eval(lead))
    }

    /// The same, by what the filter of each rule says, with the rule's place among them.
    pub(crate) fn named_by(&self, says: impl FnMut(usize, &Filter) -> Verdict) -> Option<Named> {
        match self {
            Self::Fixed(price) => Some(Named {
                price: *price,
                deferred: false,
            }),
            Self::Rules(rules) => Some(rules.price(says)),
            Self::Bid { .. } => None,
        }
    }
}

impl PriceRules {
    fn price(&self, mut says: impl FnMut(usize, &Filter) -> Verdict) -> Named {
        let mut possible = None;
        let mut last = self.otherwise;
        for (place, (when, price)) in self.rules.iter().enumerate() {
            match says(place, when) {
                Verdict::Fail(_) => {}
                Verdict::Unknown => {
                    possible = Some(possible.map_or(*price, |least: Micros| least.min(*price)));
                }
                Verdict::Pass => {
                    last = *price;
                    break;
                }
            }
        }
        Named {
            price: possible.map_or(last, |least| least.min(last)),
            deferred: possible.is_some(),
        }
    }
}
