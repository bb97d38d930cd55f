//! The event log: partitioned, ordered per producer, key and path, read by one consumer group.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use crate::{Each, Together};

/// The topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Clicks and conversions ([`proto::EventRecord`]), keyed by the visitor's shard.
    Events,
    /// What happens to leads ([`proto::LeadRecord`]), keyed by the lead.
    Leads,
    /// Accepted catalog generations, kept for ever.
    Catalog,
}

impl Topic {
    /// The topic's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Leads => "leads",
            Self::Catalog => "catalog",
        }
    }
}

/// What an acknowledgement of an append means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// Handed to the kernel: survives `kill -9`, synced within 5 ms.
    Kernel,
    /// On disk, or replicated.
    Durable,
}

/// Where a record landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The partition, from 0.
    pub partition: u16,
    /// The record's offset in it, from 0; of one that is shipped to its partition later, the least that it
    /// can be.
    pub offset: u64,
}

/// A record as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: u64,
    /// What was appended.
    pub payload: Bytes,
}

/// Why the log did not take a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The queue in front of it is full.
    #[error("the log's queue is full")]
    Full,
    /// The disk is filled up to its reserve.
    #[error("the log has no space left")]
    NoSpace,
    /// A record is larger than the log takes.
    #[error("the record is too large for the log")]
    TooLarge,
    /// It cannot be reached or is shutting down.
    #[error("the log is unavailable: {0}")]
    Unavailable(String),
}

/// The log.
pub trait EventLog: Send + Sync + 'static {
    /// A member of a consumer group.
    type Consumer: Consumer;
    /// A reading of a whole topic.
    type Replay: Replay;

    /// Appends a record. The record is queued before the future is returned, so one caller's
    /// appends for one key keep their order even if their futures are awaited together; the future
    /// resolves when the acknowledgement holds. A log may begin to write when a future is first awaited, or
    /// dropped: what is queued before goes with it.
    fn append(
        &self,
        topic: Topic,
        key: u64,
        record: Bytes,
        ack: Ack,
    ) -> impl Future<Output = Result<Position, LogError>> + Send + 'static;

    /// Appends records that are waited for at once: a log may have a shorter way for them than for each alone.
    fn together(&self, topic: Topic, ack: Ack) -> impl Together {
        Each::by(move |key, record| self.append(topic, key, record, ack))
    }

    /// Joins the consumer group `group` on `topics`. The group's committed offsets outlive it.
    fn subscribe(
        &self,
        group: &'static str,
        topics: &[Topic],
    ) -> impl Future<Output = Result<Self::Consumer, LogError>> + Send;

    /// Everything a topic holds now, from its oldest record on, in no group: for what every node has to
    /// know whole.
    fn replay(&self, topic: Topic) -> impl Future<Output = Result<Self::Replay, LogError>> + Send;

    /// The next offset of each partition of a topic: what a consumer has to reach to have seen all.
    fn ends(&self, topic: Topic) -> Vec<u64>;
}

/// What a consumer is handed.
#[derive(Debug)]
pub enum Delivery {
    /// From now on this partition is the consumer's.
    Assigned {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: u16,
        /// Where it starts: the group's committed offset, or the oldest record the log has.
        next_offset: u64,
    },
    /// No longer; what was not committed will be delivered to another.
    Revoked {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: u16,
    },
    /// Records of one partition, in the order of their offsets, from one delivery to the next too: a state knows
    /// up to which offset it is folded, and what comes behind a later one is lost.
    Records {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: u16,
        /// The records.
        records: Vec<Record>,
    },
}

/// A member of a consumer group.
pub trait Consumer: Send + 'static {
    /// Waits for the next delivery, at most `wait`; none if nothing came.
    fn next(
        &mut self,
        wait: Duration,
    ) -> impl Future<Output = Result<Option<Delivery>, LogError>> + Send;

    /// Stores where the group goes on after a restart: in each of these partitions, at this offset. Of a partition
    /// that is another's by now it is not this member's to say, and nothing is stored of it.
    fn commit(
        &mut self,
        next_offsets: &[(Topic, u16, u64)],
    ) -> impl Future<Output = Result<(), LogError>> + Send;
}

/// A reading of a whole topic.
pub trait Replay: Send + 'static {
    /// The next records of one partition, in the order of their offsets, from one call to the next too; none once
    /// all were given that were there when it began. Some that came later may be among them. Asked again, it goes
    /// on with what has come since, as soon as the log knows of it; and it says none again, without waiting, where
    /// nothing has.
    fn next(&mut self)
    -> impl Future<Output = Result<Option<(u16, Vec<Record>)>, LogError>> + Send;
}
