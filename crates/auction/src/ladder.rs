//! `PostLadder`: from a ladder of prices to one sale, or none, or a post that is in doubt.
//!
//! ```text
//! rung: Hold -> Pin -> Record(posting) -> Post -> accepted | rejected | unclear
//!         |       |         |                        |          |          |
//!         |       |     failed: end,             Record      next rung   Record
//!        full:  expired: next;  nothing sent    (outcome)   (reply rides (outcome:
//!        next   claim lost: stop                    |       on its record) pending)
//!                                              Commit, Release, Done
//! ```
//!
//! A reservation is released only after the record that carries the reject is acknowledged: a
//! crash can then never have given the same unit to two leads.

#[cfg(test)]
mod tests;
mod words;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::{
    BuyerKey, ContractReason, LeadReason, LeadStatus, LegState, Micros, Mono, Reservation,
    Timestamp, Usage,
};

use crate::{Book, Context, LeadView, Promise, Row, Rung, Slot, Terms, Waterfall, limits, screen};

pub use words::{
    Climb, Ended, Fate, LadderEffect, LadderInput, LadderRecord, LegReply, PostReply, Sold,
};

/// How long a hold lives: it is pinned at once, or its lead has been given up.
const HOLD: Duration = Duration::from_secs(10);

/// The leg that is being worked on.
struct Attempt {
    leg: u16,
    rung: usize,
    slot: Slot,
    price: Micros,
    payout: Micros,
    reservation: Reservation,
    posted_at: Mono,
    until: Mono,
}

enum State {
    Holding(Attempt),
    Pinning(Attempt),
    Recording(Attempt),
    Posting(Attempt),
    /// Waiting for the outcome's acknowledgement; then this is committed.
    Closing(Option<Reservation>),
    Over,
}

/// The machine. See the module's head.
pub struct PostLadder {
    climb: Climb,
    rows: Vec<Option<ContractReason>>,
    next: usize,
    legs: u16,
    posts: u16,
    pinned: bool,
    n: u32,
    state: State,
    /// Ended legs whose end is not in a record yet.
    replies: Vec<LegReply>,
    /// Reservations to give back once the record that carries their end is acknowledged.
    to_release: Vec<(Reservation, Usage)>,
    effects: VecDeque<LadderEffect>,
}

impl PostLadder {
    /// Opens a ladder and starts at its first rung.
    pub fn open(climb: Climb) -> Self {
        let mut ladder = Self {
            rows: vec![None; climb.rungs.len()],
            climb,
            next: 0,
            legs: 0,
            posts: 0,
            pinned: false,
            n: 0,
            state: State::Over,
            replies: Vec::new(),
            to_release: Vec::new(),
            effects: VecDeque::new(),
        };
        ladder.step(ladder.climb.now);
        ladder
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<LadderEffect> {
        self.effects.pop_front()
    }

    /// Tells the ladder something. What does not belong to the step it is at changes nothing.
    pub fn on(&mut self, now: Mono, input: LadderInput) {
        let state = std::mem::replace(&mut self.state, State::Over);
        self.state = match (state, input) {
            (State::Holding(at), LadderInput::Held(id)) if id == at.reservation.id => {
                self.effects.push_back(LadderEffect::Pin {
                    id,
                    first: !self.pinned,
                });
                State::Pinning(at)
            }
            (State::Holding(at), LadderInput::HoldFull(id, limit)) if id == at.reservation.id => {
                return self.pass(now, &at, limit.into());
            }
            (State::Holding(at), LadderInput::HoldFailed(id)) if id == at.reservation.id => {
                return self.pass(now, &at, ContractReason::PostError);
            }
            (State::Pinning(at), LadderInput::Pinned(id)) if id == at.reservation.id => {
                self.pinned = true;
                self.record_posting(now, at)
            }
            (State::Pinning(at), LadderInput::PinExpired(id)) if id == at.reservation.id => {
                return self.pass(now, &at, ContractReason::NoTime);
            }
            (State::Pinning(at), LadderInput::PinFailed(id)) if id == at.reservation.id => {
                self.effects.push_back(LadderEffect::Release(
                    at.reservation.clone(),
                    Usage::Nothing,
                ));
                return self.pass(now, &at, ContractReason::PostError);
            }
            (State::Pinning(_), LadderInput::ClaimLost) if !self.pinned => {
                // Who has the lead now holds under the same reservation: it is not ours to release,
                // and a hold runs out by itself.
                self.effects.push_back(LadderEffect::Done(Fate::Lost));
                State::Over
            }
            (State::Recording(at), LadderInput::Recorded(n)) if n == self.n => {
                self.settle_recorded();
                // Hold, pin and record take their time: it may be too late by now.
                match self.in_time(now, &at) {
                    Ok(()) => self.post(now, at),
                    Err(reason) => {
                        self.unsent(at, reason);
                        return self.step(now);
                    }
                }
            }
            (State::Recording(at), LadderInput::RecordFailed(n)) if n == self.n => {
                // The record may be in the log all the same, so the outcome says that nothing was
                // sent, and the pin stays until that is acknowledged.
                self.unsent(at, ContractReason::PostError);
                for untried in self.rows.iter_mut().filter(|reason| reason.is_none()) {
                    *untried = Some(ContractReason::PostError);
                }
                return self.close(now, LeadStatus::Unsold, Some(LeadReason::LadderEnded), None);
            }
            (State::Posting(at), LadderInput::Reply { leg, reply }) if leg == at.leg => {
                return self.replied(now, at, reply);
            }
            (State::Posting(at), LadderInput::Tick) if now >= at.until => {
                return self.replied(now, at, PostReply::Unclear);
            }
            (State::Closing(sold), LadderInput::Recorded(n)) if n == self.n => {
                self.settle_recorded();
                self.effects.extend(sold.map(LadderEffect::Commit));
                self.effects.push_back(LadderEffect::Done(Fate::Recorded));
                State::Over
            }
            (State::Closing(_), LadderInput::RecordFailed(n)) if n == self.n => {
                self.effects.push_back(LadderEffect::Done(Fate::Unrecorded));
                State::Over
            }
            (state, _) => state,
        };
    }

    /// This contract is passed over; the next rung.
    fn pass(&mut self, now: Mono, at: &Attempt, reason: ContractReason) {
        self.set_reason(at.rung, reason);
        self.step(now);
    }

    /// Goes to the next rung that may be posted, or ends.
    fn step(&mut self, now: Mono) {
        let book = Arc::clone(&self.climb.book);
        while let Some(rung) = self.climb.rungs.get(self.next) {
            let at = self.next;
            let price = rung.price;
            self.next += 1;
            match self.may_post(now, &book, rung) {
                Err(reason) => self.set_reason(at, reason),
                Ok((slot, terms, payout)) => return self.hold(now, at, slot, terms, price, payout),
            }
        }
        let reason = self.unsold_reason();
        self.close(now, LeadStatus::Unsold, Some(reason), None);
    }

    fn unsold_reason(&self) -> LeadReason {
        let refused = |reason: &ContractReason| {
            matches!(
                reason,
                ContractReason::BuyerRejected | ContractReason::BuyerSaysDuplicate
            )
        };
        if self.rows.iter().flatten().any(refused) {
            LeadReason::AllRejected
        } else if !self.climb.rungs.is_empty() {
            LeadReason::LadderEnded
        } else if self.climb.waterfall.anybody_eligible() {
            LeadReason::NoBid
        } else {
            LeadReason::NoEligibleContract
        }
    }

    /// The checks before a post, with the whole lead and the terms of now; then what is paid for it.
    fn may_post<'b>(
        &self,
        now: Mono,
        book: &'b Book,
        rung: &Rung,
    ) -> Result<(Slot, &'b Terms, Micros), ContractReason> {
        let climb = &self.climb;
        let slot = book.find(&rung.contract).ok_or(ContractReason::Paused)?;
        let terms = book.get(slot).ok_or(ContractReason::Paused)?;
        let payout = self.promised(rung).ok_or(ContractReason::BelowFloor)?;
        if self.posts >= climb.rules.max_posts || self.legs == u16::MAX {
            return Err(ContractReason::PostLimit);
        }
        screen::check(terms, &self.context(now), LeadView::Full(&climb.fields))?;
        self.still_open(now, rung, terms)?;
        Ok((slot, terms, payout))
    }

    /// Whether the bid stands and the publisher waits long enough for a post that starts now.
    fn still_open(&self, now: Mono, rung: &Rung, terms: &Terms) -> Result<(), ContractReason> {
        if rung
            .expires
            .is_some_and(|expires| self.wall(now) >= expires)
        {
            return Err(ContractReason::BidExpired);
        }
        let least = terms.min_post_time.max(self.climb.rules.answer_reserve);
        if now.plus(least) > self.climb.deadline {
            return Err(ContractReason::NoTime);
        }
        Ok(())
    }

    /// Whether a post that is recorded may still leave; its answer would be read until `at.until`.
    fn in_time(&self, now: Mono, at: &Attempt) -> Result<(), ContractReason> {
        if let (Some(rung), Some(terms)) = (self.climb.rungs.get(at.rung), self.terms(at.slot)) {
            self.still_open(now, rung, terms)?;
        }
        if now >= at.until {
            return Err(ContractReason::NoTime);
        }
        Ok(())
    }

    /// What the publisher is paid for this rung under the promise; none if it cannot be kept.
    fn promised(&self, rung: &Rung) -> Option<Micros> {
        let climb = &self.climb;
        let promise = match climb.quote {
            Some(_) => climb.rules.quote_promise,
            None => climb.rules.direct_promise,
        };
        match promise {
            Promise::BreakEven => {
                // Without a quote the best price is what would have been quoted.
                let best = || climb.rungs.first().map(|best| best.payout);
                let quote = climb.quote.or_else(best)?;
                let margin = rung.price.minus(quote).ok()?;
                (margin >= climb.rules.min_margin).then_some(quote)
            }
            Promise::Reprice => (rung.payout >= climb.min_payout).then_some(rung.payout),
        }
    }

    fn hold(
        &mut self,
        now: Mono,
        rung: usize,
        slot: Slot,
        terms: &Terms,
        price: Micros,
        payout: Micros,
    ) {
        self.legs += 1;
        let context = self.context(now);
        let wall = context.wall;
        let of = (self.climb.lead, self.legs);
        let reservation = limits::reservation(terms, &self.climb.rules, &context, of, price);
        self.effects.push_back(LadderEffect::Hold {
            slot,
            reservation: reservation.clone(),
            until: wall.plus(HOLD),
        });
        self.state = State::Holding(Attempt {
            leg: self.legs,
            rung,
            slot,
            price,
            payout,
            reservation,
            posted_at: now,
            until: now,
        });
    }

    fn record_posting(&mut self, now: Mono, mut at: Attempt) -> State {
        let timeout = self
            .terms(at.slot)
            .map_or(Duration::ZERO, |terms| terms.post_timeout);
        at.until = now.plus(timeout);
        let record = LadderRecord::Posting {
            leg: at.leg,
            slot: at.slot,
            price: at.price,
            payout: at.payout,
            reservation: at.reservation.clone(),
            started_at: self.wall(now),
            reply_by: self.wall(at.until),
            // Kept until it is acknowledged: if it is not, the outcome says it again.
            replies: self.replies.clone(),
        };
        self.n += 1;
        self.effects
            .push_back(LadderEffect::Record { n: self.n, record });
        State::Recording(at)
    }

    fn post(&mut self, now: Mono, mut at: Attempt) -> State {
        self.posts += 1;
        at.posted_at = now;
        self.effects.push_back(LadderEffect::Post {
            leg: at.leg,
            slot: at.slot,
            key: BuyerKey {
                lead: self.climb.lead,
                leg: at.leg,
            },
            price: at.price,
            bid_id: self
                .climb
                .rungs
                .get(at.rung)
                .and_then(|rung| rung.bid_id.clone()),
            until: at.until,
        });
        self.effects.push_back(LadderEffect::WakeAt(at.until));
        State::Posting(at)
    }

    /// The post stays here, whatever the log has of it: the next record says so.
    fn unsent(&mut self, at: Attempt, reason: ContractReason) {
        self.set_reason(at.rung, reason.clone());
        self.replies.push(LegReply {
            leg: at.leg,
            state: LegState::Rejected,
            reason,
            took: Duration::ZERO,
            reference: None,
            answered: None,
            usage: Some(Usage::Nothing),
        });
        self.to_release.push((at.reservation, Usage::Nothing));
    }

    fn replied(&mut self, now: Mono, at: Attempt, reply: PostReply) {
        let (state, reason) = match &reply {
            PostReply::Accepted { .. } => (LegState::Accepted, ContractReason::Won),
            PostReply::Rejected => (LegState::Rejected, ContractReason::BuyerRejected),
            PostReply::Duplicate => (LegState::Rejected, ContractReason::BuyerSaysDuplicate),
            PostReply::Throttled => (LegState::Rejected, ContractReason::Throttled),
            PostReply::NotSent => (LegState::Rejected, ContractReason::PostError),
            PostReply::Unclear | PostReply::Pending => (LegState::InDoubt, ContractReason::InDoubt),
        };
        let usage = match &reply {
            PostReply::Accepted { .. } => Some(Usage::Sold),
            PostReply::Rejected | PostReply::Duplicate | PostReply::Throttled => Some(Usage::Sent),
            PostReply::NotSent => Some(Usage::Nothing),
            PostReply::Unclear | PostReply::Pending => None,
        };
        self.set_reason(at.rung, reason.clone());
        let (reference, answered, redirect_url) = match reply {
            PostReply::Accepted {
                reference,
                price,
                redirect_url,
            } => (reference, price, redirect_url),
            _ => (None, None, None),
        };
        let took = now.since(at.posted_at);
        self.replies.push(LegReply {
            leg: at.leg,
            state,
            reason,
            took,
            reference,
            answered,
            usage,
        });
        match state {
            LegState::Accepted => {
                let sold = Sold {
                    leg: at.leg,
                    slot: at.slot,
                    price: at.price,
                    payout: at.payout,
                    redirect_url,
                };
                self.close(now, LeadStatus::Sold, None, Some((sold, at.reservation)));
            }
            LegState::InDoubt => {
                self.close(now, LeadStatus::Pending, Some(LeadReason::InDoubt), None)
            }
            LegState::Rejected | LegState::Posting => {
                let usage = usage.unwrap_or(Usage::Sent);
                self.to_release.push((at.reservation, usage));
                self.step(now);
            }
        }
    }

    fn close(
        &mut self,
        now: Mono,
        status: LeadStatus,
        reason: Option<LeadReason>,
        sold: Option<(Sold, Reservation)>,
    ) {
        let (sold, reservation) = sold.unzip();
        let ended = Ended {
            status,
            reason,
            sold,
            waterfall: self.waterfall(),
            told_pending: now > self.climb.deadline,
        };
        let record = LadderRecord::Outcome {
            ended,
            replies: std::mem::take(&mut self.replies),
        };
        self.n += 1;
        self.effects
            .push_back(LadderEffect::Record { n: self.n, record });
        self.state = State::Closing(reservation);
    }

    /// The ends that the acknowledged record carries are known for good: their units are free.
    fn settle_recorded(&mut self) {
        self.replies.clear();
        self.effects.extend(
            self.to_release
                .drain(..)
                .map(|(of, usage)| LadderEffect::Release(of, usage)),
        );
    }

    fn set_reason(&mut self, rung: usize, reason: ContractReason) {
        if let Some(row) = self.rows.get_mut(rung) {
            *row = Some(reason);
        }
    }

    /// The rows of a round go on with how the ladder ended for them; after a quote they begin here.
    fn waterfall(&self) -> Waterfall {
        let mut waterfall = self.climb.waterfall.clone();
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

    fn terms(&self, slot: Slot) -> Option<&Terms> {
        self.climb.book.get(slot)
    }

    /// What the lead is checked by now.
    fn context(&self, now: Mono) -> Context {
        Context {
            wall: self.wall(now),
            ..self.climb.context.clone()
        }
    }

    fn wall(&self, now: Mono) -> Timestamp {
        self.climb.context.wall.plus(now.since(self.climb.now))
    }
}
