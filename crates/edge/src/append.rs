//! Events into the log, with patience that ends.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use domain::VisitorId;
use proto::{EventRecord, Message as _, RecordError, TouchRecord};
use store::{Ack, Backend, EventLog as _, Fate, LogError, Position, Together, Topic, key};

use crate::Edge;

/// A log that takes longer to write a few hundred bytes is as good as full: a browser waits.
const KERNEL_PATIENCE: Duration = Duration::from_secs(1);
/// A log that takes longer to sync is as good as gone; the sender's retry is the same event.
const DURABLE_PATIENCE: Duration = Duration::from_secs(5);

/// An event as the log takes it: its bytes, and what its partition goes by.
pub(crate) struct Keyed {
    key: u64,
    record: Bytes,
}

impl Keyed {
    /// Any event, under its own key.
    pub(crate) fn of(record: &EventRecord) -> Result<Self, RecordError> {
        Ok(Self {
            key: key::event(record)?,
            record: record.encode_to_vec().into(),
        })
    }

    /// A touch, which is its visitor's.
    pub(crate) fn touch(visitor: &VisitorId, touch: &TouchRecord<'_>) -> Self {
        Self {
            key: u64::from(visitor.shard()),
            record: touch.encode_to_vec().into(),
        }
    }

    /// Queues it with others. It is on its way when this returns, so that several share one sync.
    pub(crate) fn join(self, others: &mut impl Together) {
        others.add(self.key, self.record);
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.record.len()
    }
}

/// Appends a touch of a visitor.
pub(crate) async fn touch<B: Backend>(
    edge: &Edge<B>,
    visitor: &VisitorId,
    touch: &TouchRecord<'_>,
) -> Result<(), LogError> {
    let queued = queue(edge, Keyed::touch(visitor, touch), Ack::Kernel);
    patiently(queued, KERNEL_PATIENCE).await
}

/// For events that are waited for at once, with [`patience`].
pub(crate) fn together<B: Backend>(edge: &Edge<B>, ack: Ack) -> impl Together {
    edge.parts.backend.log().together(Topic::Events, ack)
}

/// What became of one of them: of what is not known when patience ended, too.
pub(crate) fn settled(fate: Fate) -> Result<(), LogError> {
    fate.unwrap_or_else(|| Err(no_answer())).map(drop)
}

fn queue<B: Backend>(
    edge: &Edge<B>,
    keyed: Keyed,
    ack: Ack,
) -> impl Future<Output = Result<Position, LogError>> + Send {
    let log = edge.parts.backend.log();
    log.append(Topic::Events, keyed.key, keyed.record, ack)
}

/// Appends an event under its own key, with patience that ends.
pub(crate) async fn append<B: Backend>(
    edge: &Edge<B>,
    record: &EventRecord,
    ack: Ack,
) -> Result<(), LogError> {
    let keyed = Keyed::of(record).map_err(|error| LogError::Unavailable(error.to_string()))?;
    patiently(queue(edge, keyed, ack), patience(ack)).await
}

/// How long an append may take.
pub(crate) fn patience(ack: Ack) -> Duration {
    match ack {
        Ack::Kernel => KERNEL_PATIENCE,
        Ack::Durable => DURABLE_PATIENCE,
    }
}

/// What it is when that is over.
fn no_answer() -> LogError {
    LogError::Unavailable("no answer in time".to_owned())
}

/// Most appends are done at the second look, which comes at once: a timer that is set for each of them would
/// wake its driver each time.
async fn patiently<P>(
    append: impl Future<Output = Result<P, LogError>>,
    patience: Duration,
) -> Result<(), LogError> {
    let mut append = pin!(append);
    let mut looked = false;
    let soon = poll_fn(|context| match append.as_mut().poll(context) {
        Poll::Ready(appended) => Poll::Ready(Some(appended)),
        Poll::Pending if looked => Poll::Ready(None),
        Poll::Pending => {
            looked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    });
    let appended = match soon.await {
        Some(appended) => appended,
        None => {
            let late = tokio::time::timeout(patience, append).await;
            late.unwrap_or_else(|_| Err(no_answer()))
        }
    };
    appended.map(drop)
}
