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
//! A post in doubt ends the ladder, unless its contract lets the lead be sold again. Then the record of
//! the next post also says that the doubtful leg is abandoned: nobody else is posted before that is in
//! the log, and if nobody else is left to post, the leg stays in doubt.
//!
//! Bids may join while a direct post is climbed: they take their places among the rungs that were not
//! tried yet, and a ladder that has come to its end waits for those that may still come.
//!
//! A reservation is released only after the record that carries the reject is acknowledged: a
//! crash can then never have given the same unit to two leads.

mod join;
mod price;
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

use crate::{Book, Context, LeadView, Rung, Slot, Terms, limits, screen};

pub use words::{
    Booked, Climb, Ended, Fate, LadderEffect, LadderInput, LadderRecord, LegReply, PostReply,
    Quote, Sold, Unsent, Unsettled,
};

/// How long a hold lives: it is pinned at once, or its lead has been given up.
const HOLD: Duration = Duration::from_secs(10);

/// A leg that is abandoned must be so in the log this soon after its answer was due. Later the worker
/// finds it in doubt on its own, it may be settled as sold, and then nobody else may have the lead.
const ABANDON_WITHIN: Duration = Duration::from_secs(1);

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
    /// Nobody is left to post, and some who are pinged have not answered.
    Waiting,
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
    /// Legs in doubt whose lead may go on.
    doubted: Vec<Attempt>,
    /// When the last abandoned leg has to be known in the log.
    abandon_by: Option<Mono>,
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
            doubted: Vec::new(),
            abandon_by: None,
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
        let input = match input {
            LadderInput::Joined { round, more } => return self.joined(now, round, more),
            other => other,
        };
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
            (State::Holding(at), LadderInput::Shut(id, shut)) if id == at.reservation.id => {
                return self.pass(now, &at, shut.reason());
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
                let abandon_by = self.abandon_by.take();
                if abandon_by.is_some_and(|by| now > by) {
                    self.unsent(now, at, ContractReason::NoTime);
                    return self.give_up(now, ContractReason::NoTime, abandon_by);
                }
                // Hold, pin and record take their time: it may be too late by now.
                match self.in_time(now, &at) {
                    Ok(()) => self.post(now, at),
                    Err(reason) => {
                        self.unsent(now, at, reason);
                        return self.step(now);
                    }
                }
            }
            (State::Recording(at), LadderInput::RecordFailed(n)) if n == self.n => {
                // The record may be in the log all the same, so the outcome says that nothing was
                // sent, and the pin stays until that is acknowledged.
                self.unsent(now, at, ContractReason::PostError);
                let abandon_by = self.abandon_by.take();
                return self.give_up(now, ContractReason::PostError, abandon_by);
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

    /// Nobody else is posted, for this reason. Where a leg was to be abandoned and may not have been in
    /// time, only the fold knows whether the lead is sold.
    fn give_up(&mut self, now: Mono, reason: ContractReason, abandon_by: Option<Mono>) {
        for untried in self.rows.iter_mut().filter(|reason| reason.is_none()) {
            *untried = Some(reason.clone());
        }
        let (status, reason) = match abandon_by {
            Some(_) => (LeadStatus::Pending, LeadReason::InDoubt),
            None => (LeadStatus::Unsold, LeadReason::LadderEnded),
        };
        self.close(now, status, Some(reason), None);
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
        if self.climb.more {
            self.state = State::Waiting;
        } else if self.doubted.is_empty() {
            let reason = self.unsold_reason();
            self.close(now, LeadStatus::Unsold, Some(reason), None);
        } else {
            self.close(now, LeadStatus::Pending, Some(LeadReason::InDoubt), None);
        }
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
        let payout = climb.promised(rung).ok_or(ContractReason::BelowFloor)?;
        if self.posts >= climb.rules.max_posts || self.legs == u16::MAX {
            return Err(ContractReason::PostLimit);
        }
        screen::check(terms, &self.context(now), LeadView::Full(&climb.fields))?;
        self.still_open(now, rung, terms)?;
        Ok((slot, terms, payout))
    }

    /// Whether the bid stands and there is time enough for a post that starts now.
    fn still_open(&self, now: Mono, rung: &Rung, terms: &Terms) -> Result<(), ContractReason> {
        if rung
            .expires
            .is_some_and(|expires| self.wall(now) >= expires)
        {
            return Err(ContractReason::BidExpired);
        }
        let least = terms.min_post_time.max(self.climb.rules.answer_reserve);
        if now.plus(least) > self.climb.last_post {
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
        let held = terms.held(price);
        let reservation = limits::reservation(terms, &self.climb.rules, &context, of, held);
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
        self.abandon();
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

    /// The lead goes to somebody else: what is in doubt is void, and the next record says so.
    fn abandon(&mut self) {
        for doubted in std::mem::take(&mut self.doubted) {
            let mut replies = self.replies.iter_mut();
            if let Some(reply) = replies.find(|reply| reply.leg == doubted.leg) {
                reply.state = LegState::Rejected;
                reply.reason = ContractReason::Abandoned;
                reply.usage = Some(Usage::Sent);
            }
            self.set_reason(doubted.rung, ContractReason::Abandoned);
            let by = doubted.until.plus(ABANDON_WITHIN);
            self.abandon_by = Some(self.abandon_by.map_or(by, |other| other.min(by)));
            self.to_release.push((doubted.reservation, Usage::Sent));
        }
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
    fn unsent(&mut self, now: Mono, at: Attempt, reason: ContractReason) {
        self.set_reason(at.rung, reason.clone());
        self.replies.push(LegReply {
            leg: at.leg,
            state: LegState::Rejected,
            reason,
            at: self.wall(now),
            took: Duration::ZERO,
            reference: None,
            answered: None,
            usage: Some(Usage::Nothing),
            booked: None,
            unsettled: None,
        });
        self.to_release.push((at.reservation, Usage::Nothing));
    }

    fn replied(&mut self, now: Mono, at: Attempt, reply: PostReply) {
        let (state, reason) = reply.meaning();
        let usage = match &reply {
            PostReply::Accepted { .. } => Some(Usage::Sold),
            PostReply::Rejected | PostReply::Duplicate | PostReply::Throttled => Some(Usage::Sent),
            PostReply::NotSent(_) => Some(Usage::Nothing),
            PostReply::Unclear | PostReply::Pending { .. } => None,
        };
        self.set_reason(at.rung, reason.clone());
        let mut ended = LegReply {
            leg: at.leg,
            state,
            reason,
            at: self.wall(now),
            took: now.since(at.posted_at),
            reference: None,
            answered: None,
            usage,
            booked: None,
            unsettled: None,
        };
        match reply {
            PostReply::Accepted {
                reference,
                price,
                redirect_url,
            } => {
                let booked = self.booked(&at, price);
                ended.reference = reference;
                ended.answered = price;
                ended.booked = Some(booked.clone());
                self.replies.push(ended);
                let sold = Sold {
                    leg: at.leg,
                    slot: at.slot,
                    price: booked.price,
                    payout: booked.payout,
                    redirect_url,
                    flags: booked.flags,
                };
                self.close(now, LeadStatus::Sold, None, Some((sold, at.reservation)));
            }
            PostReply::Pending { settle_by } => {
                ended.unsettled = self.unsettled(now, at.slot, settle_by);
                self.replies.push(ended);
                self.close(now, LeadStatus::Pending, Some(LeadReason::InDoubt), None);
            }
            PostReply::Unclear => {
                self.replies.push(ended);
                if self
                    .terms(at.slot)
                    .is_some_and(|terms| terms.resell_in_doubt)
                {
                    self.doubted.push(at);
                    self.step(now);
                } else {
                    self.close(now, LeadStatus::Pending, Some(LeadReason::InDoubt), None);
                }
            }
            PostReply::Rejected
            | PostReply::Duplicate
            | PostReply::Throttled
            | PostReply::NotSent(_) => {
                self.replies.push(ended);
                let usage = usage.unwrap_or(Usage::Sent);
                self.to_release.push((at.reservation, usage));
                self.step(now);
            }
        }
    }

    fn booked(&self, at: &Attempt, answered: Option<Micros>) -> Booked {
        match self.terms(at.slot) {
            Some(terms) => self.climb.booked(terms, at.price, at.payout, answered),
            None => Booked {
                price: at.price,
                payout: at.payout,
                flags: Vec::new(),
            },
        }
    }

    /// Until when a buyer may decide: as long as it asks for, within what its contract allows.
    fn unsettled(&self, now: Mono, slot: Slot, asked: Option<Timestamp>) -> Option<Unsettled> {
        let terms = self.terms(slot)?;
        let wall = self.wall(now);
        let latest = wall.plus(terms.settle_within);
        Some(Unsettled {
            by: asked.map_or(latest, |asked| asked.clamp(wall, latest)),
            then: terms.on_unsettled,
        })
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
            waterfall: self.waterfall(now),
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
