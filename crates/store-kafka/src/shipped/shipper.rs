//! Ships a journal: in order, a chunk at a time, each once the one before is acknowledged, so that what is
//! under way is bounded and live traffic, which has producers of its own, is not held up.
//!
//! Its producer never gives a record up, so the order holds however long Kafka is away. What was
//! acknowledged and not noted when the process was killed is shipped again: everything that reads it knows
//! its records by id.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use store::{LogError, Topic};

use super::Inner;
use super::frame::Frame;
use super::front::Front;
use crate::error::OpenError;
use crate::producer::{Outgoing, Producer, Receipt};

/// Bytes under way, about.
const CHUNK: usize = 256 << 10;
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

    async fn ship(&self) -> Result<(), Failed> {
        let (front, producer) = self.inner.way(self.topic);
        let mut reader = front.journal.reader(vec![front.shipped()])?;
        while let Some(records) = reader.next(CHUNK).await? {
            let sent: Vec<Receipt> = records
                .iter()
                .filter_map(|record| self.send(producer, front, record))
                .collect();
            for receipt in sent {
                receipt.await?;
            }
            if let Some(last) = records.last() {
                let next = last.offset.saturating_add(1);
                front.ship(next, &records)?;
                self.inner.shipped(self.topic, next);
            }
        }
        Ok(())
    }

    /// Queues a record for Kafka; none for what nobody can read.
    fn send(
        &self,
        producer: &Producer,
        front: &Front,
        record: &journal::Record,
    ) -> Option<Receipt> {
        let log = &self.inner.kafka;
        let Some(frame) = Frame::decode(&record.payload) else {
            let (topic, offset) = (front.topic.as_str(), record.offset);
            tracing::error!(topic, offset, "record of the journal cannot be read");
            return None;
        };
        let name;
        let (partition, lead);
        let outgoing = match &frame {
            Frame::Leads(key, payload) | Frame::Events(key, payload) => Outgoing {
                name: log.name(front.topic),
                topic: Some(front.topic),
                partition: log.partition(front.topic, *key),
                key: None,
                payload: Some(payload),
            },
            Frame::Vault(of, payload) => {
                (name, partition) = log.vault_place(*of);
                lead = *of;
                Outgoing {
                    name: &name,
                    topic: None,
                    partition,
                    key: Some(lead.as_bytes()),
                    payload: Some(payload),
                }
            }
        };
        Some(producer.send(&outgoing))
    }
}

impl Inner {
    /// Kafka has all of a journal below this offset. With nothing left in it, lead records go to Kafka
    /// directly again.
    fn shipped(&self, topic: Topic, next: u64) {
        if topic != Topic::Leads || !self.away.load(Ordering::Acquire) {
            return;
        }
        // Nobody appends meanwhile.
        let _direct = self.turning.write();
        if self.leads.next() == next {
            self.kafka.leads().is_up();
            self.turn(false);
        }
    }
}
