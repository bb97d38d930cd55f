//! `PingRound`: pings in parallel under a hard window, to a ladder of prices.
//!
//! ```text
//! open -> Ping* , WakeAt(window end)
//! Reply(slot) ... -> (nothing until the last)
//! last reply, or Tick at the window's end -> Cancel*, Done
//! ```
//! A direct post need not wait so long: once nobody who is still asked can come first, the round is
//! `Ready`, and what comes later joins the ladder that is climbed by then.
//! ```text
//! Reply(slot) -> Ready ; Reply(slot) ... -> Joined ... ; last reply, or Tick -> Cancel*, Done
//! ```

mod rank;
#[cfg(test)]
mod tests;
mod wait;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::{ContractReason, Micros, Mono, Timestamp};

use crate::{
    Book, Check, Context, Facts, Failed, Named, Passed, PingMode, PingResult, PingRow, Price, Row,
    Rules, Rung, Screened, Slot, Terms, Waterfall, limits,
};

/// What a round is for: a quote, or a post that goes straight on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A publisher's ping: the whole deadline is for pinging.
    Ping,
    /// A direct post: half of the deadline is kept for posting.
    Direct,
}

/// All a round starts from.
#[derive(Debug, Clone)]
pub struct RoundOpening {
    /// The campaign's contracts.
    pub book: Arc<Book>,
    /// The campaign's rules for this publisher.
    pub rules: Rules,
    /// Who sent the lead, and when.
    pub context: Context,
    /// What the static part let pass.
    pub screened: Screened,
    /// Dynamic values.
    pub facts: Facts,
    /// Quote or direct post.
    pub kind: Kind,
    /// The publisher takes no payout below this.
    pub min_payout: Micros,
    /// Monotonic time that belongs to `context.wall`.
    pub now: Mono,
    /// When the publisher stops waiting.
    pub deadline: Mono,
}

/// What a round is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PingInput {
    /// A ping was answered, or failed.
    Reply {
        /// Whose.
        slot: Slot,
        /// How.
        reply: PingReply,
    },
    /// Time passed.
    Tick,
}

/// A buyer's answer to a ping, in the auction's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PingReply {
    /// A price.
    Bid {
        /// What it pays.
        price: Micros,
        /// Its name for the bid.
        bid_id: Option<String>,
        /// How long the bid stands, from now.
        expires_in: Option<Duration>,
    },
    /// Yes, without a price: an answer to a check.
    Accept {
        /// Its name for the bid.
        bid_id: Option<String>,
        /// How long it stands, from now.
        expires_in: Option<Duration>,
    },
    /// No interest.
    NoBid,
    /// It asked us to slow down.
    Throttled,
    /// Something unreadable.
    Bad,
    /// Refused, reset, an HTTP error.
    Error,
}

/// What a round wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PingEffect {
    /// Ping this contract; its answer counts until `until`.
    Ping {
        /// Whom.
        slot: Slot,
        /// The end of the window.
        until: Mono,
    },
    /// Nobody waits for this ping any more.
    Cancel {
        /// Whose.
        slot: Slot,
    },
    /// Send a tick then.
    WakeAt(Mono),
    /// Nobody who is still asked can come first: climb what there is, [`PingRound::so_far`].
    Ready,
    /// An answer came after that: what there is has changed.
    Joined,
    /// The round is over: take it with [`PingRound::finish`].
    Done,
}

/// The result of a round.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Round {
    /// Admissible prices, best first; the first is what a quote quotes.
    pub rungs: Vec<Rung>,
    /// What happened.
    pub waterfall: Waterfall,
}

/// A price inside the contract's bounds.
#[derive(Clone)]
struct Offer {
    price: Micros,
    bid_id: Option<String>,
    expires: Option<Timestamp>,
}

#[derive(Clone)]
enum State {
    Asked,
    Bid(Offer),
    Out,
}

#[derive(Clone)]
struct Entry {
    slot: Slot,
    /// The price it names by itself.
    named: Option<Micros>,
    state: State,
    row: Row,
    ping: Option<PingRow>,
}

impl Offer {
    fn stands(&self, wall: Timestamp) -> bool {
        self.expires.is_none_or(|expires| wall < expires)
    }
}

impl Entry {
    /// As it is if nobody waits for its answer any more.
    fn called_off(mut self) -> Self {
        if matches!(self.state, State::Asked) {
            self.row.ping_reason = Some(ContractReason::Cancelled);
            if let Some(ping) = &mut self.ping {
                ping.result = PingResult::Cancelled;
            }
        }
        self
    }

    /// A contract that is not even asked.
    fn out(slot: Slot, mut row: Row, reason: ContractReason) -> Self {
        row.ping_reason = Some(reason);
        Self {
            slot,
            named: None,
            state: State::Out,
            row,
            ping: None,
        }
    }
}

/// The machine. See the module's head.
pub struct PingRound {
    opening: RoundOpening,
    window_end: Mono,
    entries: Vec<Entry>,
    outstanding: usize,
    /// Nobody waits any more, though some are still asked.
    ready: bool,
    over: bool,
    effects: VecDeque<PingEffect>,
}

impl PingRound {
    /// Opens a round: asks all contracts that want to be asked and have room.
    pub fn open(opening: RoundOpening) -> Self {
        let whole = opening.deadline.since(opening.now);
        let for_posts = match opening.kind {
            Kind::Ping => Duration::ZERO,
            Kind::Direct => whole / 2,
        };
        let kept = opening.rules.answer_reserve + for_posts;
        let window = opening.rules.ping_timeout.min(whole.saturating_sub(kept));
        let window_end = opening.now.plus(window);
        let passed = opening.screened.passed.len();
        let mut round = Self {
            window_end,
            entries: Vec::with_capacity(passed),
            outstanding: 0,
            ready: false,
            over: false,
            // A ping each, and the end of the window.
            effects: VecDeque::with_capacity(passed + 1),
            opening,
        };
        let book = Arc::clone(&round.opening.book);
        for at in 0..passed {
            let Some(&passed) = round.opening.screened.passed.get(at) else {
                break;
            };
            if let Some(terms) = book.get(passed.slot) {
                let entry = round.enter(passed, terms);
                round.entries.push(entry);
            }
        }
        if round.outstanding == 0 {
            round.end(round.opening.now);
        } else {
            round.effects.push_back(PingEffect::WakeAt(window_end));
            round.look(round.opening.now);
        }
        round
    }

    fn enter(&mut self, passed: Passed, terms: &Terms) -> Entry {
        let Passed {
            slot,
            deferred,
            named,
        } = passed;
        let mut row = Row::new(terms, deferred);
        let opening = &self.opening;
        let (rules, context) = (&opening.rules, &opening.context);
        let facts = &opening.facts;
        let enters = enters(
            slot,
            terms,
            named,
            rules,
            opening.min_payout,
            context,
            facts,
        );
        if let Err(failed) = enters {
            return Entry::out(slot, row, failed.reason);
        }
        let named = named.map(|named| named.price);
        match (terms.ping, named) {
            (PingMode::None, Some(price)) => {
                row.price = Some(price);
                Entry {
                    slot,
                    named,
                    state: State::Bid(Offer {
                        price,
                        bid_id: None,
                        expires: None,
                    }),
                    row,
                    ping: None,
                }
            }
            (PingMode::Check | PingMode::Bid, _) if self.window_end > opening.now => {
                self.effects.push_back(PingEffect::Ping {
                    slot,
                    until: self.window_end,
                });
                self.outstanding += 1;
                let ping = PingRow {
                    contract: terms.contract.clone(),
                    buyer: terms.buyer.clone(),
                    result: PingResult::Timeout,
                    started_at: opening.context.wall,
                    took: Duration::ZERO,
                    bid: None,
                    bid_id: None,
                    expires: None,
                };
                Entry {
                    slot,
                    named,
                    state: State::Asked,
                    row,
                    ping: Some(ping),
                }
            }
            // Nobody can be asked in a window of no length.
            (PingMode::Check | PingMode::Bid, _) => Entry::out(slot, row, ContractReason::NoTime),
            // Whose price is only bid and who is not asked has none.
            (PingMode::None, None) => Entry::out(slot, row, ContractReason::NoBid),
        }
    }

    /// Tells the round something. What comes after the end, or twice, changes nothing.
    pub fn on(&mut self, now: Mono, input: PingInput) {
        if self.over {
            return;
        }
        let before = self.outstanding;
        if now < self.window_end
            && let PingInput::Reply { slot, reply } = input
        {
            self.replied(now, slot, reply);
        }
        if self.outstanding == 0 || now >= self.window_end {
            self.end(now);
        } else if self.outstanding < before {
            self.look(now);
        }
    }

    fn replied(&mut self, now: Mono, slot: Slot, reply: PingReply) {
        let wall = self.wall(now);
        let opened = self.opening.now;
        let Some(terms) = self.opening.book.get(slot) else {
            return;
        };
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.slot == slot) else {
            return;
        };
        if !matches!(entry.state, State::Asked) {
            return;
        }
        self.outstanding -= 1;
        let (bid_id, expires_in) = match &reply {
            PingReply::Bid {
                bid_id, expires_in, ..
            }
            | PingReply::Accept { bid_id, expires_in } => (bid_id.as_ref(), *expires_in),
            PingReply::NoBid | PingReply::Throttled | PingReply::Bad | PingReply::Error => {
                (None, None)
            }
        };
        let expires = expires_in.map(|span| wall.plus(span));
        let (result, offered) = match &reply {
            PingReply::Bid { price, .. } => (PingResult::Bid, Some(*price)),
            PingReply::Accept { .. } if entry.named.is_some() => (PingResult::Bid, None),
            PingReply::NoBid => (PingResult::NoBid, None),
            PingReply::Accept { .. } | PingReply::Throttled | PingReply::Bad | PingReply::Error => {
                (PingResult::Failed, None)
            }
        };
        if let Some(ping) = &mut entry.ping {
            ping.result = result;
            ping.took = now.since(opened);
            ping.bid = offered;
            ping.bid_id = bid_id.cloned();
            ping.expires = expires;
        }
        let offer = match reply {
            PingReply::Bid { price, bid_id, .. } => {
                match entry.named.or_else(|| bounded(&terms.price, price)) {
                    Some(price) => Ok((price, bid_id)),
                    None => {
                        entry.row.price = Some(price);
                        Err(ContractReason::BelowFloor)
                    }
                }
            }
            // Who says yes and was to name a price has said nothing.
            PingReply::Accept { bid_id, .. } => match entry.named {
                Some(price) => Ok((price, bid_id)),
                None => Err(ContractReason::BadResponse),
            },
            PingReply::NoBid => Err(ContractReason::NoBid),
            PingReply::Throttled => Err(ContractReason::Throttled),
            PingReply::Bad => Err(ContractReason::BadResponse),
            PingReply::Error => Err(ContractReason::PingError),
        };
        let offer = offer.and_then(|(price, bid_id)| {
            entry.row.price = Some(price);
            let RoundOpening {
                rules,
                context,
                facts,
                ..
            } = &self.opening;
            limits::room(terms, rules, context, facts, price)?;
            Ok((price, bid_id))
        });
        match offer {
            Ok((price, bid_id)) => {
                entry.state = State::Bid(Offer {
                    price,
                    bid_id,
                    expires,
                });
            }
            Err(reason) => {
                entry.row.ping_reason = Some(reason);
                entry.state = State::Out;
            }
        }
    }

    fn end(&mut self, now: Mono) {
        self.over = true;
        if !self.ready {
            self.expire(now);
        }
        let waited = now.since(self.opening.now);
        for entry in &mut self.entries {
            if matches!(entry.state, State::Asked) {
                self.effects
                    .push_back(PingEffect::Cancel { slot: entry.slot });
                if let Some(ping) = &mut entry.ping {
                    ping.took = waited;
                }
                entry.row.ping_reason = Some(ContractReason::PingTimeout);
                entry.state = State::Out;
            }
        }
        self.effects.push_back(PingEffect::Done);
    }

    /// What is quoted, or climbed first, must not stand on a bid that is gone by then. On the ladder each
    /// bid is looked at again before its post.
    fn expire(&mut self, now: Mono) {
        let wall = self.wall(now);
        for entry in &mut self.entries {
            if matches!(&entry.state, State::Bid(offer) if !offer.stands(wall)) {
                entry.row.ping_reason = Some(ContractReason::BidExpired);
                entry.state = State::Out;
            }
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<PingEffect> {
        self.effects.pop_front()
    }

    /// The result as it would be if nobody else answered any more: who is still asked is called off.
    pub fn so_far(&self) -> Round {
        let excluded = self.opening.screened.excluded.clone();
        let entries = self.entries.iter().cloned().map(Entry::called_off);
        self.opening.round(excluded, entries)
    }

    /// The result, after [`PingEffect::Done`].
    pub fn finish(mut self) -> Round {
        let excluded = std::mem::take(&mut self.opening.screened.excluded);
        self.opening.round(excluded, self.entries.into_iter())
    }

    fn wall(&self, now: Mono) -> Timestamp {
        self.opening.context.wall.plus(now.since(self.opening.now))
    }
}

/// A bid inside the contract's bounds: cut to the most it pays, none if below the least.
fn bounded(price: &Price, offered: Micros) -> Option<Micros> {
    match price {
        Price::Bid { min, max } => {
            (offered >= *min && offered > Micros::ZERO).then(|| offered.min(*max))
        }
        Price::Fixed(_) | Price::Rules(_) => None,
    }
}

/// What is asked of a contract when a round opens, after the static part: whether it is shut, and what
/// [`may_enter`] asks.
pub(crate) fn enters(
    slot: Slot,
    terms: &Terms,
    named: Option<Named>,
    rules: &Rules,
    min_payout: Micros,
    context: &Context,
    facts: &Facts,
) -> Result<(), Failed> {
    if let Some(shut) = facts.shut(slot) {
        return Err(shut.failed());
    }
    may_enter(terms, named, rules, min_payout, context, facts)
}

/// Whether the price of a contract that is not shut can reach the floor, and its limits leave room. Who
/// counts calls asks this first, so that none is counted for a contract that is not called.
///
/// # Errors
/// The first check that fails.
pub fn may_enter(
    terms: &Terms,
    named: Option<Named>,
    rules: &Rules,
    min_payout: Micros,
    context: &Context,
    facts: &Facts,
) -> Result<(), Failed> {
    let most = match (named, &terms.price) {
        (Some(named), _) => named.price,
        (None, Price::Bid { max, .. }) => *max,
        (None, Price::Fixed(_) | Price::Rules(_)) => Micros::ZERO,
    };
    if rules.admissible(terms, min_payout, most).is_none() {
        return Err(Failed {
            check: Check::Floor,
            reason: ContractReason::BelowFloor,
        });
    }
    // A bid of nothing is no bid.
    let least = match (named, &terms.price) {
        (None, Price::Bid { min, .. }) => (*min).max(Micros::new(1)),
        _ => most,
    };
    limits::room(terms, rules, context, facts, least).map_err(|reason| Failed {
        check: Check::Limits,
        reason,
    })
}
