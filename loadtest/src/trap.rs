//! A trap at the buyers: holds one ping or post without an answer, and says so, so that the kill comes
//! while it is out.

use std::sync::{Arc, Mutex, PoisonError};

use sandbox::{Kind, Seen, Tap, Verdict};
use tokio::sync::Notify;
use traffic::{DIRECT_MARKER, Gate};

use crate::draw::Moment;

/// The trap.
pub(crate) struct Trap {
    state: Mutex<State>,
    sprung: Notify,
    gate: Arc<Gate>,
}

#[derive(Default)]
enum State {
    #[default]
    Open,
    /// Waits for a first request of this kind.
    Armed(Kind),
    /// Holds everything of this kind that has this marker.
    Sprung(Kind, String),
}

impl Trap {
    /// An open trap. A lead that is caught with its ping comes back only when the gate lets it.
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self {
            state: Mutex::default(),
            sprung: Notify::new(),
            gate,
        }
    }

    /// Arms it for the condition of a round; a round without a condition leaves it open.
    pub(crate) fn arm(&self, moment: Moment) {
        let state = match moment {
            Moment::PingOut => State::Armed(Kind::Ping),
            Moment::PostOut => State::Armed(Kind::Post),
            Moment::After(_) => State::Open,
        };
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Waits until something is caught.
    pub(crate) async fn sprung(&self) {
        self.sprung.notified().await;
    }

    /// Lets everything through again.
    pub(crate) fn open(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Open;
    }
}

impl Tap for Trap {
    fn seen(&self, seen: Seen<'_>) -> Verdict {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Sprung(kind, marker) if *kind == seen.kind && marker == seen.marker => {
                Verdict::Hold
            }
            // A ping of a two-phase lead leaves no lead behind that could be interrupted.
            State::Armed(Kind::Ping)
                if seen.kind == Kind::Ping && seen.marker.starts_with(DIRECT_MARKER) =>
            {
                self.gate.hold(seen.marker);
                *state = State::Sprung(Kind::Ping, seen.marker.to_owned());
                self.sprung.notify_one();
                Verdict::Hold
            }
            State::Armed(Kind::Post) if seen.kind == Kind::Post => {
                *state = State::Sprung(Kind::Post, seen.marker.to_owned());
                self.sprung.notify_one();
                Verdict::Hold
            }
            _ => Verdict::Answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(kind: Kind, marker: &str) -> Seen<'_> {
        Seen {
            buyer: "b",
            kind,
            ping_id: "bp",
            idempotency_key: None,
            marker,
        }
    }

    #[test]
    fn only_what_it_is_armed_for_is_caught_and_only_once() {
        let trap = Trap::new(Arc::default());
        assert_eq!(trap.seen(seen(Kind::Ping, "direct-1")), Verdict::Answer);
        trap.arm(Moment::PingOut);
        assert_eq!(trap.seen(seen(Kind::Ping, "two-phase-1")), Verdict::Answer);
        assert_eq!(trap.seen(seen(Kind::Post, "direct-1")), Verdict::Answer);
        assert_eq!(trap.seen(seen(Kind::Ping, "direct-1")), Verdict::Hold);
        // The same lead's pings to the other buyers.
        assert_eq!(trap.seen(seen(Kind::Ping, "direct-1")), Verdict::Hold);
        assert_eq!(trap.seen(seen(Kind::Ping, "direct-2")), Verdict::Answer);
        trap.open();
        assert_eq!(trap.seen(seen(Kind::Ping, "direct-1")), Verdict::Answer);
    }
}
