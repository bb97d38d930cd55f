//! A circuit breaker: it keeps calls from somebody who fails them, and finds out by itself when that
//! is over.
//!
//! ```text
//! closed --(too many failures among the last calls)--> open --(its time is over)--> half open
//!    ^                                                  ^                              |
//!    |                                                  '---- a probe fails -----------|
//!    '------------------------- a probe is answered -----------------------------------'
//! ```
//! Half open lets one call through at a time: the probe. Each time it opens without having been closed
//! for a while, it stays open twice as long as the time before, up to a ceiling. The result of a call
//! counts only in the state that let the call through: what was asked before it opened says nothing new.
//!
//! Others may call the same somebody, each with a breaker of its own: what they learn they tell one
//! another (`sharing`).

mod sharing;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use domain::{Mono, Ppm};

use sharing::Sharing;
pub use sharing::{News, Turn};

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// It opens if this share of the last calls failed,
    pub failures: Ppm,
    /// of so many calls,
    pub of_last: u16,
    /// and at least so many of them,
    pub at_least: u16,
    /// none of which ended longer ago than this.
    pub within: Duration,
    /// It stays open for this long at first.
    pub open_for: Duration,
    /// It never stays open for longer than this.
    pub open_at_most: Duration,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            failures: Ppm::HALF,
            of_last: 20,
            at_least: 5,
            within: Duration::from_secs(60),
            open_for: Duration::from_secs(5),
            open_at_most: Duration::from_secs(300),
        }
    }
}

impl BreakerRules {
    /// How long it stays open when it opens once more after `times` times in a row.
    fn span(&self, times: u32) -> Duration {
        let doubled = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
        let span = self.open_for.saturating_mul(doubled);
        span.min(self.open_at_most)
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// With an answer, whatever it says.
    Answered,
    /// Without one, or with one that nobody can rely on.
    Failed,
}

/// What a call is let through with; its end is told with it, once.
#[derive(Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The state that let it through.
    state: u64,
}

/// That a breaker changed its mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Calls were let through, and are not for this long.
    Opened(Duration),
    /// A probe failed: no call for this long.
    StaysOpen(Duration),
    /// A probe was answered: all calls are let through again.
    Closed,
}

#[derive(Debug)]
enum State {
    Closed { ends: VecDeque<(Mono, CallEnd)> },
    Open { until: Mono },
    HalfOpen { probing: bool },
}

/// The machine. See the module's head.
#[derive(Debug)]
pub struct Breaker {
    rules: BreakerRules,
    state: State,
    /// Counts states, so that a ticket knows its own.
    number: u64,
    /// How often it opened in a row.
    times: u32,
    /// When it closed the last time.
    closed_at: Mono,
    sharing: Sharing,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(rules: BreakerRules) -> Self {
        Self {
            rules,
            state: State::Closed {
                ends: VecDeque::new(),
            },
            number: 0,
            times: 0,
            closed_at: Mono::default(),
            sharing: Sharing::default(),
        }
    }

    /// Whether a call would be let through now; if a probe would, and others have to be asked for it, they are
    /// asked the next time it tells.
    pub fn is_shut(&mut self, now: Mono) -> bool {
        match self.state {
            State::Closed { .. } => false,
            State::Open { until } => now < until || !self.sharing.may_probe(now),
            State::HalfOpen { probing } => probing || !self.sharing.may_probe(now),
        }
    }

    /// Whether calls are let through freely.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Lets a call through, or does not.
    pub fn admit(&mut self, now: Mono) -> Option<Ticket> {
        if self.is_shut(now) {
            return None;
        }
        match &mut self.state {
            State::Closed { .. } => {}
            State::Open { .. } => self.enter(State::HalfOpen { probing: true }),
            State::HalfOpen { probing } => *probing = true,
        }
        Some(Ticket { state: self.number })
    }

    /// A call that was let through has ended.
    pub fn ended(&mut self, now: Mono, ticket: Ticket, end: CallEnd) -> Option<Change> {
        if ticket.state != self.number {
            return None;
        }
        match (&mut self.state, end) {
            (State::Closed { .. }, end) => {
                self.sharing.note(end);
                self.count(now, end)
            }
            (State::HalfOpen { .. }, CallEnd::Answered) => {
                self.close(now);
                self.sharing.turned();
                Some(Change::Closed)
            }
            (State::HalfOpen { .. }, CallEnd::Failed) => Some(Change::StaysOpen(self.open(now))),
            // Nobody is let through here.
            (State::Open { .. }, _) => None,
        }
    }

    /// A call that was let through was not made after all, or its end says nothing: if it was the probe,
    /// the next one is.
    pub fn untried(&mut self, ticket: Ticket) {
        if let State::HalfOpen { probing } = &mut self.state
            && ticket.state == self.number
        {
            *probing = false;
        }
    }

    /// A call ended while it was closed, whoever made it.
    fn count(&mut self, now: Mono, end: CallEnd) -> Option<Change> {
        if let State::Closed { ends } = &mut self.state {
            ends.push_back((now, end));
            if ends.len() > usize::from(self.rules.of_last) {
                ends.pop_front();
            }
        }
        (end == CallEnd::Failed && self.fails(now)).then(|| Change::Opened(self.open(now)))
    }

    fn close(&mut self, now: Mono) {
        self.enter(State::Closed {
            ends: VecDeque::new(),
        });
        self.closed_at = now;
    }

    /// Whether too many of the last calls failed.
    fn fails(&self, now: Mono) -> bool {
        let State::Closed { ends } = &self.state else {
            return false;
        };
        let oldest = now.minus(self.rules.within);
        let (mut calls, mut failed) = (0_u64, 0_u64);
        for (_, end) in ends.iter().filter(|(at, _)| *at >= oldest) {
            calls += 1;
            failed += u64::from(*end == CallEnd::Failed);
        }
        let share = calls * u64::from(self.rules.failures.get());
        failed >= u64::from(self.rules.at_least) && failed * u64::from(Ppm::ONE.get()) >= share
    }

    /// Opens it, and says for how long.
    fn open(&mut self, now: Mono) -> Duration {
        // Who was well for a while begins anew.
        if self.is_closed() && now.since(self.closed_at) >= self.rules.within {
            self.times = 0;
        }
        let span = self.rules.span(self.times);
        self.times = self.times.saturating_add(1);
        self.sharing.opens(now);
        self.enter(State::Open {
            until: now.plus(span),
        });
        span
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.number += 1;
    }
}
