//! What a snapshot of the leads is made of.

use bytes::Bytes;
use domain::Timestamp;
use prost::Message;
use proto::RecordError;

use super::Quote;
use crate::claims::{KeyHash, digest};
use crate::ended::{EndedItem, fixed};

/// One thing of a snapshot.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Item {
    #[prost(oneof = "Body", tags = "1, 2, 3, 4, 5")]
    pub(super) body: Option<Body>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Body {
    #[prost(message, tag = "1")]
    Whole(WholeItem),
    #[prost(message, tag = "2")]
    Quote(QuoteItem),
    #[prost(message, tag = "3")]
    Counter(CounterItem),
    #[prost(message, tag = "4")]
    Ended(EndedItem),
    /// The latest time in a record, in microseconds.
    #[prost(int64, tag = "5")]
    Clock(i64),
}

/// A lead, and where its records are.
#[derive(Clone, PartialEq, Message)]
pub(super) struct WholeItem {
    /// An encoded `LeadState`.
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) state: Bytes,
    #[prost(uint64, repeated, tag = "2")]
    pub(super) records: Vec<u64>,
}

/// The answer to a ping.
#[derive(Clone, PartialEq, Message)]
pub(super) struct QuoteItem {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    digest: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    answer: Vec<u8>,
    #[prost(int64, tag = "4")]
    at_us: i64,
}

/// What is committed of a counter.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CounterItem {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int64, tag = "3")]
    pub(super) committed: i64,
    #[prost(int64, tag = "4")]
    pub(super) touched_us: i64,
}

impl QuoteItem {
    pub(super) fn of(quote: &Quote) -> Self {
        Self {
            key: quote.key.0.to_vec(),
            digest: quote.digest.to_vec(),
            answer: quote.answer.to_vec(),
            at_us: quote.at.as_micros(),
        }
    }

    pub(super) fn read(self) -> Result<Quote, RecordError> {
        Ok(Quote {
            key: KeyHash(fixed(&self.key, "key")?),
            digest: digest(&self.digest)?,
            answer: self.answer.into(),
            at: Timestamp::from_micros(self.at_us),
        })
    }
}
