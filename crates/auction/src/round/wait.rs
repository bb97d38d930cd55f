//! When the wait for pings may end early.
//!
//! A direct post is climbed from the top, so its publisher waits for nothing once it is known who comes
//! first. Whoever is still asked bids the most that its contract allows, at best; where that does not come
//! first, no answer of it does, for every policy ranks a contract's higher price no lower.

use domain::{Micros, Mono};

use super::{Entry, Kind, Offer, PingEffect, PingRound, State};
use crate::select::order;
use crate::{Bid, Price};

impl PingRound {
    /// After an answer: ends the wait if it may end, or says that there is more.
    pub(super) fn look(&mut self, now: Mono) {
        if self.ready {
            self.effects.push_back(PingEffect::Joined);
        } else if self.opening.kind == Kind::Direct && self.is_decided(now) {
            self.ready = true;
            self.expire(now);
            self.effects.push_back(PingEffect::Ready);
        }
    }

    /// Whether enough bids are held, and nobody who is still asked can come before the best of them.
    fn is_decided(&self, now: Mono) -> bool {
        let (rules, wall) = (&self.opening.rules, self.wall(now));
        let mut held = 0;
        let mut best: Option<Bid> = None;
        for entry in &self.entries {
            if let State::Bid(offer) = &entry.state
                && offer.stands(wall)
                && let Some(bid) = self.bid_at(entry, offer.price)
            {
                held += 1;
                best = Some(match best {
                    Some(best) if order(rules.policy, &best, &bid).is_lt() => best,
                    _ => bid,
                });
            }
        }
        let Some(best) = best.filter(|_| held >= usize::from(rules.min_ladder)) else {
            return false;
        };
        !self.entries.iter().any(|entry| {
            let asked = matches!(entry.state, State::Asked);
            let most = asked.then(|| self.most(entry)).flatten();
            most.is_some_and(|most| order(rules.policy, &most, &best).is_lt())
        })
    }

    /// The best that can come of a contract that is still asked.
    fn most(&self, entry: &Entry) -> Option<Bid> {
        let terms = self.opening.book.get(entry.slot)?;
        let most = match (entry.named, &terms.price) {
            (Some(named), _) => named,
            (None, Price::Bid { max, .. }) => *max,
            (None, Price::Fixed(_) | Price::Rules(_)) => return None,
        };
        self.bid_at(entry, most)
    }

    fn bid_at(&self, entry: &Entry, price: Micros) -> Option<Bid> {
        let offer = Offer {
            price,
            bid_id: None,
            expires: None,
        };
        self.opening.bid(entry.slot, offer)
    }
}
