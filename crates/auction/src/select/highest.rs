//! `highest`: the most revenue first. Ties go to the higher priority, then to the lower contract name.

use std::cmp::Reverse;

use crate::Bid;

/// Orders admissible bids, best first.
pub(crate) fn highest(bids: &mut [Bid]) {
    bids.sort_by(|a, b| {
        let key = |bid: &Bid| (Reverse(bid.price), Reverse(bid.priority));
        key(a)
            .cmp(&key(b))
            .then_with(|| a.contract.cmp(&b.contract))
    });
}
