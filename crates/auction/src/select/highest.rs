//! `highest`: who is worth the most comes first.

use std::cmp::{Ordering, Reverse};

use super::ties;
use crate::Bid;

pub(super) fn order(a: &Bid, b: &Bid) -> Ordering {
    Reverse(a.worth)
        .cmp(&Reverse(b.worth))
        .then_with(|| ties(a, b))
}
