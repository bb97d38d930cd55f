//! The gates of contracts: what keeps calls from a buyer for a moment, its breakers and its rates.
//!
//! A contract has a breaker for its pings and one for its posts: under one for both, nine good pings
//! would hide that every post fails. What they let through has a [`Pass`], with which the call's end is
//! told; a pass that is dropped says that there was no call, or that its end means nothing.
//!
//! Rates are this process's own; breakers hear of those of other routers (`lately`). What a gate said before a round is a fact of
//! the lead, and recorded; what it said before a post is the contract's reason.

use std::num::NonZeroU32;
use std::sync::Arc;

use auction::{
    Book, Breaker, BreakerRules, CallEnd, Change, News, Passed, PingMode, Screened, Shut, Slot,
    Ticket,
};
use catalog::{Delivery, Rates, Snapshot};
use domain::{Clock, ContractName, Mono};
use parking_lot::{Mutex, MutexGuard};
use telemetry::{AUCTION_BREAKER_CHANGES, AUCTION_BREAKERS_OPEN, Metrics};

use crate::lasting::{Lasting, Whose};
use httpd::Rate;

/// The ways to call a contract.
pub(crate) const CALLS: [&str; 2] = ["ping", "post"];

/// Makes the gates of books; contracts of one buyer share its rates, whatever the campaign.
pub(crate) struct Gatekeeper<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// What the generation before had.
    pub(crate) before: &'a Lasting,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) metrics: &'a Metrics,
}

impl Gatekeeper<'_> {
    pub(crate) fn gates(&self, book: &Book, deliveries: &[Delivery], now: &mut Lasting) -> Gates {
        let contracts = book.terms().iter().zip(deliveries);
        let gates = contracts.map(|(terms, delivery)| {
            let buyer = self.snapshot.buyers.get(&terms.buyer);
            let shared = buyer.map_or_else(Rates::default, |buyer| buyer.rates);
            let mut door = |call, own, shared| Door {
                contract: terms.contract.clone(),
                breaker: delivery
                    .breaker
                    .map(|rules| self.fuse(&terms.contract, call, rules, now)),
                rates: [
                    self.rate(Whose::Contract(terms.contract.clone()), call, own, now),
                    self.rate(Whose::Buyer(terms.buyer.clone()), call, shared, now),
                ],
                clock: Arc::clone(self.clock),
            };
            Gate {
                ping: door("ping", delivery.rates.pings_per_s, shared.pings_per_s),
                post: door("post", delivery.rates.posts_per_s, shared.posts_per_s),
            }
        });
        Gates(gates.collect())
    }

    fn fuse(
        &self,
        contract: &ContractName,
        call: &'static str,
        rules: BreakerRules,
        now: &mut Lasting,
    ) -> Arc<Fuse> {
        let key = (contract.clone(), call);
        let make = || {
            Arc::new(Fuse {
                breaker: Mutex::new(Breaker::new(rules)),
                call,
                metrics: self.metrics.clone(),
            })
        };
        now.breakers.take(&self.before.breakers, key, rules, make)
    }

    fn rate(
        &self,
        whose: Whose,
        call: &'static str,
        per_second: Option<NonZeroU32>,
        now: &mut Lasting,
    ) -> Option<Arc<Rate>> {
        let per_second = per_second?;
        let make = || Arc::new(Rate::new(per_second, self.clock));
        let key = (whose, call);
        Some(now.rates.take(&self.before.rates, key, per_second, make))
    }
}

/// A breaker, which may be one of several generations' doors.
pub(crate) struct Fuse {
    breaker: Mutex<Breaker>,
    /// `ping` or `post`.
    call: &'static str,
    metrics: Metrics,
}

impl Fuse {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock()
    }

    /// What another router told of this contract.
    pub(crate) fn hear(&self, contract: &ContractName, now: Mono, news: &News) {
        let change = self.lock().hear(now, news);
        self.tell(contract, change);
    }

    /// Says that it changed its mind, if it did.
    fn tell(&self, contract: &ContractName, change: Option<Change>) {
        let call = self.call;
        let word = match change {
            None => return,
            Some(Change::Opened(open_for)) => {
                self.metrics.shift(AUCTION_BREAKERS_OPEN, [call], 1);
                tracing::warn!(%contract, call, ?open_for, "breaker opened: too many of its calls failed");
                "opened"
            }
            Some(Change::StaysOpen(open_for)) => {
                tracing::info!(%contract, call, ?open_for, "breaker stays open: the probe failed");
                "stays_open"
            }
            Some(Change::Closed) => {
                self.metrics.shift(AUCTION_BREAKERS_OPEN, [call], -1);
                tracing::info!(%contract, call, "breaker closed: the probe was answered");
                "closed"
            }
        };
        self.metrics.count(AUCTION_BREAKER_CHANGES, [call, word]);
    }
}

impl Drop for Fuse {
    /// One that nobody has any more is not open.
    fn drop(&mut self) {
        if !self.breaker.get_mut().is_closed() {
            self.metrics.shift(AUCTION_BREAKERS_OPEN, [self.call], -1);
        }
    }
}

/// The gates of one book, by slot.
pub(crate) struct Gates(Vec<Gate>);

/// The gate of one contract.
struct Gate {
    ping: Door,
    post: Door,
}

/// One way to call a contract.
struct Door {
    contract: ContractName,
    breaker: Option<Arc<Fuse>>,
    /// Its own, then its buyer's.
    rates: [Option<Arc<Rate>>; 2],
    clock: Arc<dyn Clock>,
}

/// The pings that a look at the gates has let through where that costs something: a place in a rate, or
/// the one probe.
#[derive(Default)]
pub(crate) struct Passes<'a>(Vec<(Slot, Pass<'a>)>);

impl<'a> Passes<'a> {
    /// The pass of a contract's ping, once.
    pub(crate) fn take(&mut self, slot: Slot) -> Option<Pass<'a>> {
        let at = self.0.iter().position(|(of, _)| *of == slot)?;
        Some(self.0.swap_remove(at).1)
    }
}

impl Gates {
    /// Who of the contracts that passed the screen is shut, in the order of slots. A ping is counted only
    /// for who `enters`: for who is pinged if its gate is open.
    pub(crate) fn look(
        &self,
        now: Mono,
        book: &Book,
        screened: &Screened,
        enters: impl Fn(&Passed) -> bool,
    ) -> (Vec<(Slot, Shut)>, Passes<'_>) {
        let mut shut = Vec::new();
        let mut passes = Passes::default();
        for passed in &screened.passed {
            let slot = passed.slot;
            let (Some(gate), Some(terms)) = (self.0.get(slot.0), book.get(slot)) else {
                continue;
            };
            let pinged = terms.ping != PingMode::None;
            if gate.post.is_shut(now) || (pinged && gate.ping.is_shut(now)) {
                shut.push((slot, Shut::Breaker));
            } else if pinged && !gate.ping.is_free() && enters(passed) {
                match gate.ping.enter(now) {
                    Ok(pass) => passes.0.push((slot, pass)),
                    Err(why) => shut.push((slot, why)),
                }
            }
        }
        (shut, passes)
    }

    /// The pass of a ping that the look let through for nothing; none if its breaker has opened since,
    /// and hears nothing of this ping.
    pub(crate) fn ping(&self, now: Mono, slot: Slot) -> Option<Pass<'_>> {
        let door = &self.0.get(slot.0)?.ping;
        let ticket = door.breaker.as_ref()?.lock().admit(now)?;
        Some(Pass::new(door, Some(ticket)))
    }

    /// Lets a post through.
    ///
    /// # Errors
    /// Its breaker is open, or there is no room in a rate.
    pub(crate) fn post(&self, now: Mono, slot: Slot) -> Result<Option<Pass<'_>>, Shut> {
        let gate = self.0.get(slot.0);
        gate.map(|gate| gate.post.enter(now)).transpose()
    }
}

impl Door {
    fn is_shut(&self, now: Mono) -> bool {
        let breaker = self.breaker.as_ref();
        breaker.is_some_and(|breaker| breaker.lock().is_shut(now))
    }

    /// Whether all may go through, and nothing is counted.
    fn is_free(&self) -> bool {
        let closed = |breaker: &Arc<Fuse>| breaker.lock().is_closed();
        self.rates.iter().all(Option::is_none) && self.breaker.as_ref().is_none_or(closed)
    }

    fn enter(&self, now: Mono) -> Result<Pass<'_>, Shut> {
        let ticket = match &self.breaker {
            Some(breaker) => {
                let ticket = breaker.lock().admit(now);
                Some(ticket.ok_or(Shut::Breaker)?)
            }
            None => None,
        };
        let pass = Pass::new(self, ticket);
        for rate in self.rates.iter().flatten() {
            rate.take().map_err(|_| Shut::Rate)?;
        }
        Ok(pass)
    }

    fn ended(&self, ticket: Ticket, end: CallEnd) {
        let Some(breaker) = &self.breaker else { return };
        let change = breaker.lock().ended(self.clock.mono(), ticket, end);
        breaker.tell(&self.contract, change);
    }
}

/// A call that was let through.
pub(crate) struct Pass<'a> {
    door: &'a Door,
    ticket: Option<Ticket>,
    overdue: Option<Mono>,
}

impl<'a> Pass<'a> {
    const fn new(door: &'a Door, ticket: Option<Ticket>) -> Self {
        Self {
            door,
            ticket,
            overdue: None,
        }
    }

    /// The call has begun: one that is given up at this time, or later, has failed.
    pub(crate) fn due(&mut self, at: Mono) {
        self.overdue = Some(at);
    }

    /// How the call ended.
    pub(crate) fn ended(mut self, end: CallEnd) {
        if let Some(ticket) = self.ticket.take() {
            self.door.ended(ticket, end);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let now = self.door.clock.mono();
        if self.overdue.is_some_and(|due| now >= due) {
            self.door.ended(ticket, CallEnd::Failed);
        } else if let Some(breaker) = &self.door.breaker {
            breaker.lock().untried(ticket);
        }
    }
}
