//! Bids that join a ladder while it is climbed, and the waterfall that it comes to.

use domain::{ContractReason, Mono};

use super::{PostLadder, State};
use crate::{PingResult, Round, Row, Waterfall};

impl PostLadder {
    /// An answer to a ping came. Once the outcome is on its way to the log it is too late.
    pub(super) fn joined(&mut self, now: Mono, round: Round, more: bool) {
        match self.state {
            State::Closing(_) | State::Over => {}
            State::Waiting => {
                self.join(round, more);
                self.step(now);
            }
            _ => self.join(round, more),
        }
    }

    /// Who was tried stays where it is; behind it all others stand in the round's order.
    fn join(&mut self, round: Round, more: bool) {
        let climb = &mut self.climb;
        climb.rungs.truncate(self.next);
        for rung in round.rungs {
            let tried = climb.rungs.iter().take(self.next);
            if tried
                .into_iter()
                .all(|known| known.contract != rung.contract)
            {
                climb.rungs.push(rung);
            }
        }
        self.rows.truncate(self.next);
        self.rows.resize(climb.rungs.len(), None);
        climb.waterfall = round.waterfall;
        climb.more = more;
    }

    /// The rows of a round go on with how the ladder ended for them; after a quote they begin here.
    pub(super) fn waterfall(&self, now: Mono) -> Waterfall {
        let mut waterfall = self.climb.waterfall.clone();
        let wall = self.wall(now);
        for ping in &mut waterfall.pings {
            if ping.result == PingResult::Cancelled {
                ping.took = wall.since(ping.started_at);
            }
        }
        for (rung, reason) in self.climb.rungs.iter().zip(&self.rows) {
            let reason = reason.clone().unwrap_or(ContractReason::NotNeeded);
            let at = waterfall
                .rows
                .iter()
                .position(|row| row.contract == rung.contract);
            match at.and_then(|at| waterfall.rows.get_mut(at)) {
                Some(row) => row.post_reason = Some(reason),
                None => {
                    let slot = self.climb.book.find(&rung.contract);
                    let terms = slot.and_then(|slot| self.terms(slot));
                    let mut row = Row::of_quote(rung, terms);
                    row.post_reason = Some(reason);
                    waterfall.rows.push(row);
                }
            }
        }
        waterfall
    }
}
