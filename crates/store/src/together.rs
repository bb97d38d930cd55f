//! Records that one caller appends one after the other and waits for at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;

use crate::{LogError, Position};

/// What became of a record; none of one that was still under way when the caller waited no longer.
pub type Fate = Option<Result<Position, LogError>>;

/// Appends under way. Dropped, they go on, and nobody hears of them.
pub trait Together: Send {
    /// Queues one more record now.
    fn add(&mut self, key: u64, record: Bytes);

    /// Waits until the fate of each is known, or until `late`; in the order in which they were added.
    fn fates(self, late: impl Future<Output = ()> + Send)
    -> impl Future<Output = Vec<Fate>> + Send;
}

/// Appends of a log that has no shorter way for many at once.
pub struct Each<F, A> {
    append: F,
    under_way: Vec<A>,
}

impl<F, A> Each<F, A>
where
    F: FnMut(u64, Bytes) -> A + Send,
    A: Future<Output = Result<Position, LogError>> + Send,
{
    /// Each by this function.
    pub fn by(append: F) -> Self {
        Self {
            append,
            under_way: Vec::new(),
        }
    }
}

impl<F, A> Together for Each<F, A>
where
    F: FnMut(u64, Bytes) -> A + Send,
    A: Future<Output = Result<Position, LogError>> + Send,
{
    fn add(&mut self, key: u64, record: Bytes) {
        self.under_way.push((self.append)(key, record));
    }

    /// The last is waited for first: when its fate is known most are, and who waits is woken a few times, not for
    /// each of them.
    async fn fates(self, late: impl Future<Output = ()> + Send) -> Vec<Fate> {
        let mut late = pin!(late);
        let mut is_late = false;
        let mut fates = Vec::with_capacity(self.under_way.len());
        for append in self.under_way.into_iter().rev() {
            let mut append = pin!(append);
            let known = poll_fn(|context| {
                if let Poll::Ready(known) = append.as_mut().poll(context) {
                    return Poll::Ready(Some(known));
                }
                is_late = is_late || late.as_mut().poll(context).is_ready();
                match is_late {
                    true => Poll::Ready(None),
                    false => Poll::Pending,
                }
            });
            fates.push(known.await);
        }
        fates.reverse();
        fates
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn at(offset: u64) -> Position {
        Position {
            partition: 0,
            offset,
        }
    }

    /// Each takes as many looks as its key says; one of 9 never ends.
    fn each() -> impl Together {
        Each::by(|key, _| async move {
            match key {
                9 => pending().await,
                _ => {
                    for _ in 0..key {
                        tokio::task::yield_now().await;
                    }
                    Ok(at(key))
                }
            }
        })
    }

    #[tokio::test]
    async fn fates_are_in_the_order_in_which_records_were_added() {
        let mut together = each();
        for key in [3, 0, 2] {
            together.add(key, Bytes::new());
        }
        let fates = together.fates(pending()).await;
        assert_eq!(fates, [3, 0, 2].map(|key| Some(Ok(at(key)))));
    }

    #[tokio::test]
    async fn what_is_not_known_in_time_is_none() {
        let mut together = each();
        for key in [0, 9, 1, 0] {
            together.add(key, Bytes::new());
        }
        let known = Some(Ok(at(0)));
        assert_eq!(
            together.fates(ready(())).await,
            [known.clone(), None, None, known]
        );
    }
}
