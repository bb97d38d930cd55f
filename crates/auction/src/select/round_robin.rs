//! `round_robin`: who came first the longest ago comes first again; newcomers before all, the one that
//! is worth the most first.
//!
//! A turn is taken by coming first, not by buying: a contract that rejects does not keep its place.
//! Turns are counted by the router and come in with the facts, so that a replay takes the same ones.

use std::cmp::{Ordering, Reverse};

use super::ties;
use crate::Bid;

pub(super) fn order(a: &Bid, b: &Bid) -> Ordering {
    let key = |bid: &Bid| (bid.turn, Reverse(bid.worth));
    key(a).cmp(&key(b)).then_with(|| ties(a, b))
}
