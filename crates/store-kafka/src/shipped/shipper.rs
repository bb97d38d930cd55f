//! Ships a journal: in order, a chunk at a time, each once the one before is acknowledged, so that what is
//! under way is bounded and live traffic, which has producers of its own, is not held up.
//!
//! Its producer never gives a record up, so the order holds however long Kafka is away. What was
//! acknowledged and not noted when the process was killed is shipped again: everything that reads it knows
//! its records by id.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use store::{Fate, LogError, Topic};

use super::Inner;
use super::frame::Frame;
use super::front::Front;
use crate::error::OpenError;
use crate::producer::{Outgoing, Producer, Queued};

/// Bytes under way, about.
const CHUNK: usize = 256 << 10;
/// How long appends of lead records may be held up to ship the last of a journal, and how far apart.
const HOLD: Duration = Duration::from_millis(100);
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
/// Between two looks meanwhile.
const LOOK: Duration = Duration::from_millis(1);
/// After a failure.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Shipper {
    pub(super) inner: Arc<Inner>,
    pub(super) topic: Topic,
}

/// Why nothing is shipped for a moment.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Journal(#[from] journal::ReadError),
    #[error(transparent)]
    Kafka(#[from] LogError),
    #[error(transparent)]
    Note(#[from] OpenError),
}

impl Shipper {
    /// Until the log is closed.
    pub(super) async fn run(self) {
        let inner = Arc::clone(&self.inner);
        let shipping = async {
            if inner.kafka.heard().await.is_err() {
                // What waits here is not for topics like these.
                return;
            }
            self.begin();
            loop {
                match self.ship().await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(topic = self.topic.as_str(), %error, "nothing is shipped");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = shipping => {}
            () = inner.stop.cancelled() => {}
        }
    }

    /// Kafka was heard. If it was away at the start and nothing waits for it, lead records need not wait either.
    fn begin(&self) {
        let front = &self.inner.leads;
        let _alone = self.inner.turning.write();
        if self.topic == Topic::Leads && front.shipped() == front.next() {
            self.inner.turn_back();
        }
    }

    async fn ship(&self) -> Result<(), Failed> {
        let (front, producer) = self.inner.way(self.topic);
        let clock = self.inner.kafka.clock();
        let mut next_try = clock.mono();
        let mut reader = front.journal.reader(vec![front.shipped()])?;
        while let Some(records) = reader.next(CHUNK).await? {
            let sent = self.send_all(producer, front, &records);
            acknowledged(sent).await?;
            Self::mark(front, &records)?;
            while self.is_nearly_done(front) && (front.bytes() == 0 || clock.mono() >= next_try) {
                next_try = clock.mono().plus(BETWEEN_TRIES);
                let (records, left) = self.ship_the_rest(producer, front, &mut reader)?;
                for sent in left {
                    acknowledged(sent).await?;
                }
                Self::mark(front, &records)?;
            }
        }
        Ok(())
    }

    /// Whether lead records go through the journal, and little is left of it: under load there is always
    /// something, and they would never go directly again.
    fn is_nearly_done(&self, front: &Front) -> bool {
        let away = self.inner.away.load(Ordering::Acquire);
        self.topic == Topic::Leads && away && front.bytes() <= CHUNK as u64
    }

    /// Ships what is left while nobody can append, for a moment at most; if that was all, lead records go
    /// directly again. Gives what it sent and has not noted, and what of it is not acknowledged.
    fn ship_the_rest(
        &self,
        producer: &Producer,
        front: &Front,
        reader: &mut journal::Reader,
    ) -> Result<(Vec<journal::Record>, Vec<Queued>), Failed> {
        let clock = self.inner.kafka.clock();
        let _alone = self.inner.turning.write();
        let until = clock.mono().plus(HOLD);
        let (mut records, mut left) = (Vec::new(), Vec::new());
        loop {
            // What was queued before we were alone is written any moment.
            let more = reader.next_now(CHUNK)?.unwrap_or_default();
            left.push(self.send_all(producer, front, &more));
            records.extend(more);
            left = still_under_way(left)?;
            if left.is_empty() {
                Self::mark(front, &records)?;
                records.clear();
                if front.shipped() == front.next() {
                    self.inner.turn_back();
                    return Ok((records, left));
                }
            }
            if clock.mono() >= until {
                return Ok((records, left));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn send_all(&self, producer: &Producer, front: &Front, records: &[journal::Record]) -> Queued {
        let mut queued = producer.begin();
        for record in records {
            self.send(producer, &mut queued, front, record);
        }
        queued
    }

    /// Kafka has these.
    fn mark(front: &Front, records: &[journal::Record]) -> Result<(), Failed> {
        if let Some(last) = records.last() {
            front.ship(last.offset.saturating_add(1), records)?;
        }
        Ok(())
    }

    /// Queues a record for Kafka, unless nobody can read it.
    fn send(
        &self,
        producer: &Producer,
        queued: &mut Queued,
        front: &Front,
        record: &journal::Record,
    ) {
        let log = &self.inner.kafka;
        let Some(frame) = Frame::decode(&record.payload) else {
            let (topic, offset) = (front.topic.as_str(), record.offset);
            tracing::error!(topic, offset, "record of the journal cannot be read");
            return;
        };
        let name;
        let (partition, lead);
        let outgoing = match &frame {
            Frame::Leads(key, payload) | Frame::Events(key, payload) => Outgoing {
                name: log.name(front.topic),
                partition: log.partition(front.topic, *key),
                key: None,
                payload: Some(payload),
            },
            Frame::Vault(of, payload) => {
                (name, partition) = log.vault_place(*of);
                lead = *of;
                Outgoing {
                    name: &name,
                    partition,
                    key: Some(lead.as_bytes()),
                    payload: Some(payload),
                }
            }
        };
        producer.add(queued, &outgoing);
    }
}

async fn acknowledged(queued: Queued) -> Result<(), LogError> {
    taken(queued.fates(pending()).await)
}

/// Those that are not acknowledged yet.
fn still_under_way(queued: Vec<Queued>) -> Result<Vec<Queued>, LogError> {
    let mut nobody = Context::from_waker(Waker::noop());
    let mut left = Vec::with_capacity(queued.len());
    for mut queued in queued {
        match queued.poll_all(&mut nobody) {
            Poll::Ready(fates) => taken(fates)?,
            Poll::Pending => left.push(queued),
        }
    }
    Ok(left)
}

/// Whether Kafka took all.
fn taken(fates: Vec<Fate>) -> Result<(), LogError> {
    fates
        .into_iter()
        .flatten()
        .try_for_each(|fate| fate.map(drop))
}

impl Inner {
    /// Lead records go to Kafka directly. Only while nobody appends one, and with nothing in the journal.
    fn turn_back(&self) {
        self.kafka.leads().is_up();
        self.turn(false);
    }
}
