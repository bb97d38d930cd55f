//! Where a record goes now: to Kafka, or into a journal.

use std::sync::atomic::Ordering;

use journal::Space;
use store::{Ack, LogError, Position, Topic};

use super::Inner;
use super::frame::Frame;
use crate::producer::Receipt;

impl Inner {
    /// Lead records go through the journal from now on; what the step does is the first of it.
    fn turn_away<T>(&self, step: impl FnOnce() -> T) -> T {
        let _alone = self.turning.write();
        self.turn(true);
        step()
    }

    /// Queues a record in a journal. Where it will stand is at least where the log ends with all that waits
    /// before it.
    pub(super) fn journaled(
        &self,
        topic: Topic,
        frame: &Frame,
        ack: Ack,
        space: Space,
    ) -> Journaled {
        let (front, _) = self.way(topic);
        let partition = match frame {
            Frame::Leads(key, _) | Frame::Events(key, _) => self.kafka.partition(topic, *key),
            Frame::Vault(..) => 0,
        };
        let end = self.kafka.end(topic, partition);
        let position = Position {
            partition,
            offset: end.saturating_add(front.unshipped(partition)),
        };
        let ack = match ack {
            Ack::Kernel => journal::Ack::Kernel,
            Ack::Durable => journal::Ack::Durable,
        };
        let appended = front.append(frame, ack, space);
        Journaled { appended, position }
    }

    /// Queues what belongs to a lead where it has to go now.
    pub(super) fn send(&self, frame: &Frame, ack: Ack, direct: impl FnOnce() -> Receipt) -> Sent {
        if self.kafka.leads().is_down() && !self.away.load(Ordering::Acquire) {
            self.turn_away(|| {});
        }
        let _shared = self.turning.read();
        match self.away.load(Ordering::Acquire) {
            true => Sent::Journal(self.journaled(Topic::Leads, frame, ack, space(frame))),
            false => Sent::Kafka(direct()),
        }
    }

    /// Waits for the acknowledgement; what Kafka does not take in time goes into the journal.
    pub(super) async fn sent(&self, frame: Frame, sent: Sent) -> Result<Position, LogError> {
        match sent {
            Sent::Journal(journaled) => journaled.acknowledged().await,
            Sent::Kafka(receipt) => match receipt.await {
                Err(LogError::Unavailable(_)) => {
                    let journaled = self.turn_away(|| {
                        self.journaled(Topic::Leads, &frame, Ack::Durable, space(&frame))
                    });
                    journaled.acknowledged().await
                }
                answered => answered,
            },
        }
    }
}

/// What begins work stops at the reserve, what ends it does not. A key comes with what begins.
fn space(frame: &Frame) -> Space {
    match frame {
        Frame::Leads(_, record) => store_local::space_of(Topic::Leads, record),
        Frame::Events(..) | Frame::Vault(..) => Space::Admit,
    }
}

/// A record on its way through a journal.
pub(super) struct Journaled {
    appended: Result<journal::Appended, LogError>,
    position: Position,
}

impl Journaled {
    pub(super) async fn acknowledged(self) -> Result<Position, LogError> {
        let acknowledged = self.appended?.await;
        acknowledged.map_err(store_local::append_error)?;
        Ok(self.position)
    }
}

/// A record on its way.
pub(super) enum Sent {
    Journal(Journaled),
    Kafka(Receipt),
}
