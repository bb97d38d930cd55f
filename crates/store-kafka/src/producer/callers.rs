//! Who waits for which records. librdkafka carries a number along with each record and gives it back with the
//! record's fate: whose it is, and which of his. So a record costs no memory of its own here, and who queued many is
//! woken once, by the last.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use domain::Mono;
use parking_lot::Mutex;
use slab::Slab;
use store::{Fate, LogError, Position};

/// What librdkafka carries: a caller's number in the upper half, in the lower his record's.
pub(super) type Ticket = usize;

const HALF: u32 = usize::BITS / 2;

/// Whose record it is, and which of his.
const fn split(ticket: Ticket) -> (usize, usize) {
    (ticket >> HALF, ticket & ((1 << HALF) - 1))
}

/// The callers of a producer.
#[derive(Debug, Default)]
pub(super) struct Callers(Mutex<Slab<Caller>>);

#[derive(Debug)]
struct Caller {
    begun: Mono,
    fates: Vec<Fate>,
    /// How many of them are known.
    known: usize,
    /// How many there are, once all are queued.
    all: Option<usize>,
    waits: Waits,
}

#[derive(Debug)]
enum Waits {
    NotYet,
    Now(Waker),
    NoMore,
}

impl Caller {
    fn set(&mut self, record: usize, fate: Result<Position, LogError>) {
        if self.fates.len() <= record {
            self.fates.resize(record + 1, None);
        }
        if let Some(unknown @ None) = self.fates.get_mut(record) {
            *unknown = Some(fate);
            self.known += 1;
        }
    }

    fn knows_all(&self) -> bool {
        self.all == Some(self.known)
    }
}

impl Callers {
    /// One more, who began now.
    pub(super) fn begin(self: &Arc<Self>, now: Mono) -> Queued {
        let caller = self.0.lock().insert(Caller {
            begun: now,
            fates: Vec::new(),
            known: 0,
            all: None,
            waits: Waits::NotYet,
        });
        Queued {
            callers: Arc::clone(self),
            caller,
            records: 0,
            is_over: false,
        }
    }

    /// Keeps a record's fate, and wakes who waits if it is his last. Gives when he began, if the record is his
    /// first: how long that takes stands for all.
    pub(super) fn tell(&self, ticket: Ticket, fate: Result<Position, LogError>) -> Option<Mono> {
        let (number, record) = split(ticket);
        let mut callers = self.0.lock();
        let caller = callers.get_mut(number)?;
        caller.set(record, fate);
        let begun = (record == 0).then_some(caller.begun);
        if caller.knows_all() {
            match std::mem::replace(&mut caller.waits, Waits::NotYet) {
                Waits::NotYet => {}
                Waits::Now(waker) => {
                    drop(callers);
                    waker.wake();
                }
                Waits::NoMore => drop(callers.remove(number)),
            }
        }
        begun
    }
}

/// Records of one caller on their way. Dropped, they go on, and nobody hears of them.
#[derive(Debug)]
#[must_use = "an append counts only once it is acknowledged"]
pub(crate) struct Queued {
    callers: Arc<Callers>,
    caller: usize,
    records: usize,
    /// Whether he heard of all.
    is_over: bool,
}

impl Queued {
    /// One more record's.
    pub(super) fn ticket(&mut self) -> Ticket {
        let ticket = (self.caller << HALF) | self.records;
        self.records += 1;
        ticket
    }

    /// One more, which goes nowhere.
    pub(crate) fn refuse(&mut self, error: LogError) {
        let ticket = self.ticket();
        self.callers.tell(ticket, Err(error));
    }

    /// What became of each, once that is known.
    pub(crate) fn poll_all(&mut self, context: &mut Context<'_>) -> Poll<Vec<Fate>> {
        let mut callers = self.callers.0.lock();
        let Some(caller) = callers.get_mut(self.caller).filter(|_| !self.is_over) else {
            return Poll::Pending;
        };
        caller.all = Some(self.records);
        if !caller.knows_all() {
            match &mut caller.waits {
                Waits::Now(waker) => waker.clone_from(context.waker()),
                waits => *waits = Waits::Now(context.waker().clone()),
            }
            return Poll::Pending;
        }
        self.is_over = true;
        Poll::Ready(callers.remove(self.caller).fates)
    }

    /// What is known so far.
    fn so_far(&self) -> Vec<Fate> {
        let callers = self.callers.0.lock();
        let known = callers.get(self.caller).map(|caller| &caller.fates);
        let mut fates = known.cloned().unwrap_or_default();
        fates.resize(self.records, None);
        fates
    }

    /// What became of each; of some nothing, if it is late.
    pub(crate) async fn fates(mut self, late: impl Future<Output = ()> + Send) -> Vec<Fate> {
        let mut late = pin!(late);
        poll_fn(|context| {
            let known = self.poll_all(context);
            match known.is_pending() && late.as_mut().poll(context).is_ready() {
                true => Poll::Ready(self.so_far()),
                false => known,
            }
        })
        .await
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let mut callers = self.callers.0.lock();
        let Some(caller) = callers.get_mut(self.caller).filter(|_| !self.is_over) else {
            return;
        };
        caller.all = Some(self.records);
        caller.waits = Waits::NoMore;
        if caller.knows_all() {
            callers.remove(self.caller);
        }
    }
}

/// A record on its way: resolves to its place. It may be dropped unheard.
#[derive(Debug)]
#[must_use = "an append counts only once it is acknowledged"]
pub(crate) struct Receipt(pub(crate) Queued);

impl Future for Receipt {
    type Output = Result<Position, LogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_all(context).map(|fates| {
            let fate = fates.into_iter().next().flatten();
            fate.unwrap_or_else(|| Err(LogError::Unavailable("kafka: no record".to_owned())))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn at(offset: u64) -> Result<Position, LogError> {
        Ok(Position {
            partition: 0,
            offset,
        })
    }

    fn is_empty(callers: &Callers) -> bool {
        callers.0.lock().is_empty()
    }

    /// In whatever order they become known, and whoever waits beside.
    #[tokio::test]
    async fn each_hears_of_his_own_in_their_order() {
        let callers = Arc::new(Callers::default());
        let now = Mono::default();
        let (mut one, mut other) = (callers.begin(now), callers.begin(now));
        let (a, x, b) = (one.ticket(), other.ticket(), one.ticket());
        assert_eq!(callers.tell(b, at(7)), None);
        one.refuse(LogError::TooLarge);
        let telling = async {
            assert_eq!(callers.tell(x, at(1)), Some(now), "the first is measured");
            callers.tell(a, at(6));
        };
        // It is looked at before anything is told.
        let (fates, ()) = tokio::join!(biased; one.fates(pending()), telling);
        assert_eq!(fates, [at(6), at(7), Err(LogError::TooLarge)].map(Some));
        assert_eq!(Receipt(other).await, at(1));
        assert!(is_empty(&callers));
        assert_eq!(callers.begin(now).fates(pending()).await, []);
    }

    #[tokio::test]
    async fn who_waits_no_longer_hears_what_is_known() {
        let callers = Arc::new(Callers::default());
        let mut queued = callers.begin(Mono::default());
        let (a, b, _) = (queued.ticket(), queued.ticket(), queued.ticket());
        callers.tell(b, at(2));
        assert_eq!(queued.fates(ready(())).await, [None, Some(at(2)), None]);
        callers.tell(a, at(1));
        assert!(!is_empty(&callers), "one is still on its way");
    }

    /// The place of one who went away is another's only when nothing of his is on its way any more.
    #[test]
    fn who_went_away_is_forgotten_with_his_last_record() {
        let callers = Arc::new(Callers::default());
        let mut queued = callers.begin(Mono::default());
        let (a, b) = (queued.ticket(), queued.ticket());
        callers.tell(a, at(0));
        drop(queued);
        assert!(!is_empty(&callers));
        callers.tell(b, at(1));
        assert!(is_empty(&callers));

        let mut queued = callers.begin(Mono::default());
        queued.refuse(LogError::Full);
        drop(queued);
        assert!(is_empty(&callers), "nothing is on its way");
    }
}
