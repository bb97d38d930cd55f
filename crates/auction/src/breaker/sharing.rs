//! What breakers of the same somebody tell one another, so that what one learnt all heed.
//!
//! Each tells how its calls ended and when it turned; each hears that of the others and goes on as if it
//! were its own. Turns are ordered by when the breaker opened, in wall time: who knows of a later opening
//! does not heed an earlier one, nor that it is over. So all come to the same, in whatever order they hear.
//!
//! A half-open breaker's one probe is one for all: while they agree, who wants to probe asks for leave
//! first, and has it for a while. When they cannot hear one another, each goes on alone.

#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::{Mono, Timestamp};

use super::{Breaker, CallEnd, Change, State};

/// Leave to probe is had for so long: who began within it may take longer.
const LEAVE: Duration = Duration::from_secs(3);

/// What a breaker tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    /// Calls that were answered while it was closed,
    pub answered: u32,
    /// and that were not.
    pub failed: u32,
    /// How it stands, if it turned.
    pub turn: Option<Turn>,
    /// A call waits for leave to probe.
    pub wants: bool,
    /// The probe is under way: its leave is still needed.
    pub probes: bool,
}

impl News {
    /// Whether that is nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// How a breaker stands after it turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It opened, and lets nobody through.
    Open {
        /// When it opened: a later opening outdoes an earlier one.
        since: Timestamp,
        /// Until when.
        until: Timestamp,
        /// How often it has opened in a row.
        times: u32,
    },
    /// It was closed again.
    Closed {
        /// When it had opened.
        since: Timestamp,
    },
}

/// One breaker's part.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// The wall time of the monotonic clock's start, once there are others.
    zero: Option<Timestamp>,
    /// Whether the others are heard.
    agrees: bool,
    /// When it opened last, or one of the others did.
    since: Timestamp,
    answered: u32,
    failed: u32,
    turned: bool,
    leave: Mono,
    wants: bool,
}

impl Sharing {
    pub(super) fn note(&mut self, end: CallEnd) {
        let of = match end {
            CallEnd::Answered => &mut self.answered,
            CallEnd::Failed => &mut self.failed,
        };
        *of = of.saturating_add(1);
    }

    pub(super) fn turned(&mut self) {
        self.turned = true;
    }

    pub(super) fn opens(&mut self, now: Mono) {
        let at = self.wall(now);
        self.since = at.max(self.since.plus(Duration::from_micros(1)));
        self.leave = Mono::default();
        self.turned();
    }

    /// Whether a probe may go now; if not, leave is asked for.
    pub(super) fn may_probe(&mut self, now: Mono) -> bool {
        let may = !self.agrees || now < self.leave;
        self.wants |= !may;
        may
    }

    fn wall(&self, at: Mono) -> Timestamp {
        let zero = self.zero.unwrap_or_default();
        zero.plus(at.since(Mono::default()))
    }

    fn mono(&self, at: Timestamp) -> Mono {
        Mono::default().plus(at.since(self.zero.unwrap_or_default()))
    }
}

impl Breaker {
    /// From now on there are others, who are heard; `zero` is the wall time of the monotonic clock's start, and kept
    /// from the first time on. Who was not heard until now tells how it stands.
    pub fn agree(&mut self, zero: Timestamp) {
        let sharing = &mut self.sharing;
        sharing.turned |= !sharing.agrees && sharing.since > Timestamp::default();
        sharing.agrees = true;
        sharing.zero.get_or_insert(zero);
    }

    /// The others are not heard any more.
    pub fn go_alone(&mut self) {
        self.sharing.agrees = false;
    }

    /// What is new since it told the last time.
    pub fn tell(&mut self) -> News {
        let (turn, closed) = (self.turn(), self.is_closed());
        let probes = matches!(self.state, State::HalfOpen { probing: true });
        let sharing = &mut self.sharing;
        let wants = std::mem::take(&mut sharing.wants);
        News {
            answered: std::mem::take(&mut sharing.answered),
            failed: std::mem::take(&mut sharing.failed),
            turn: turn.filter(|_| std::mem::take(&mut sharing.turned)),
            wants: wants && !closed,
            probes,
        }
    }

    fn turn(&self) -> Option<Turn> {
        let since = self.sharing.since;
        match self.state {
            State::Closed { .. } => Some(Turn::Closed { since }),
            State::Open { until } => Some(Turn::Open {
                since,
                until: self.sharing.wall(until),
                times: self.times,
            }),
            State::HalfOpen { .. } => None,
        }
    }

    /// Another one's news.
    pub fn hear(&mut self, now: Mono, news: &News) -> Option<Change> {
        let turned = news.turn.and_then(|turn| self.hear_turn(now, turn));
        // Calls in the order in which they are likeliest to have ended: evenly mixed.
        let calls = u64::from(news.answered) + u64::from(news.failed);
        let failed = u64::from(news.failed);
        let skipped = calls.saturating_sub(u64::from(self.rules.of_last));
        let mut opened = None;
        for call in skipped..calls {
            if !self.is_closed() {
                break;
            }
            let end = match (call + 1) * failed / calls > call * failed / calls {
                true => CallEnd::Failed,
                false => CallEnd::Answered,
            };
            opened = self.count(now, end);
        }
        opened.or(turned)
    }

    fn hear_turn(&mut self, now: Mono, turn: Turn) -> Option<Change> {
        let known = self.sharing.since;
        match turn {
            Turn::Open {
                since,
                until,
                times,
            } if since > known => {
                let until = self.sharing.mono(until);
                let span = until.since(now);
                let change = match self.is_closed() {
                    true => Change::Opened(span),
                    false => Change::StaysOpen(span),
                };
                self.sharing.since = since;
                self.sharing.leave = Mono::default();
                self.times = times;
                self.enter(State::Open { until });
                Some(change)
            }
            Turn::Closed { since } if since >= known => {
                self.sharing.since = since;
                let was_closed = self.is_closed();
                if !was_closed {
                    self.close(now);
                }
                (!was_closed).then_some(Change::Closed)
            }
            Turn::Open { .. } | Turn::Closed { .. } => None,
        }
    }

    /// It has leave to probe, for a while.
    pub fn leave(&mut self, now: Mono) {
        self.sharing.leave = now.plus(LEAVE);
    }
}
