//! What a round comes to: the admissible prices in order, and a row for everybody.

use std::collections::BTreeMap;

use domain::ContractReason;

use super::{Entry, Offer, Round, RoundOpening, State};
use crate::select::order;
use crate::{Bid, Rung, Slot, Waterfall};

impl RoundOpening {
    /// What entries come to. Prices that are not admissible fall out here.
    pub(super) fn round(
        &self,
        excluded: BTreeMap<ContractReason, u32>,
        entries: impl Iterator<Item = Entry>,
    ) -> Round {
        let mut waterfall = Waterfall {
            excluded,
            ..Waterfall::default()
        };
        let mut bids = Vec::new();
        for mut entry in entries {
            if let State::Bid(offer) = entry.state {
                match self.bid(entry.slot, offer) {
                    Some(bid) => bids.push(bid),
                    None => entry.row.ping_reason = Some(ContractReason::BelowFloor),
                }
            }
            waterfall.pings.extend(entry.ping);
            waterfall.rows.push(entry.row);
        }
        bids.sort_by(|a, b| order(self.rules.policy, a, b));
        let rungs: Vec<Rung> = bids.into_iter().map(Rung::from).collect();
        for row in &mut waterfall.rows {
            if row.ping_reason.is_none() {
                let best = rungs
                    .first()
                    .is_some_and(|rung| rung.contract == row.contract);
                row.ping_reason = Some(if best {
                    ContractReason::Won
                } else {
                    ContractReason::LostToHigher
                });
            }
        }
        Round { rungs, waterfall }
    }

    /// An offer with all that decides its place; none if it is not admissible.
    pub(super) fn bid(&self, slot: Slot, offer: Offer) -> Option<Bid> {
        let terms = self.book.get(slot)?;
        let rules = &self.rules;
        let payout = rules.admissible(terms, self.min_payout, offer.price)?;
        let history = self.facts.history(slot);
        Some(Bid {
            slot,
            contract: terms.contract.clone(),
            tier: terms.tier,
            priority: terms.priority,
            acceptance: history.acceptance,
            turn: history.turn,
            price: offer.price,
            payout,
            worth: rules.worth(offer.price, payout, history.acceptance),
            bid_id: offer.bid_id,
            expires: offer.expires,
        })
    }
}
