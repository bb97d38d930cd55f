//! `priority`: the higher priority comes first, whatever it pays; among equals who is worth more.

use std::cmp::{Ordering, Reverse};

use super::ties;
use crate::Bid;

pub(super) fn order(a: &Bid, b: &Bid) -> Ordering {
    let key = |bid: &Bid| (Reverse(bid.priority), Reverse(bid.worth));
    key(a).cmp(&key(b)).then_with(|| ties(a, b))
}
