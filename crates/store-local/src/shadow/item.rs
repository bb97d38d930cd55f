//! What a snapshot of the leads is made of.

use bytes::Bytes;
use domain::{AuctionId, LeadId, Timestamp};
use prost::Message;
use proto::RecordError;
use store::{Earlier, Standing};

use super::{EndedLead, Quote};
use crate::claims::{Claimed, KeyHash, digest};
use crate::names::Names;
use crate::past::Ended;
use crate::remembered::Remembered;

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
    Consumer(ConsumerItem),
    #[prost(message, tag = "5")]
    Ended(EndedItem),
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

/// What a lead that has ended claims, and where its records are.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EndedItem {
    #[prost(bytes = "vec", tag = "1")]
    lead: Vec<u8>,
    #[prost(int64, tag = "2")]
    at_us: i64,
    #[prost(uint64, tag = "3")]
    applied: u64,
    #[prost(uint32, tag = "4")]
    legs: u32,
    #[prost(uint64, repeated, tag = "5")]
    records: Vec<u64>,
    /// Empty if it has none.
    #[prost(bytes = "vec", tag = "6")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    digest: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    quote: Vec<u8>,
    #[prost(message, optional, tag = "9")]
    consumer: Option<ConsumerItem>,
}

/// What is remembered of a lead's consumer once the lead itself is forgotten.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ConsumerItem {
    #[prost(bytes = "vec", tag = "1")]
    lead: Vec<u8>,
    #[prost(string, tag = "2")]
    campaign: String,
    #[prost(string, tag = "3")]
    publisher: String,
    #[prost(int64, tag = "4")]
    at_us: i64,
    #[prost(int64, tag = "5")]
    until_us: i64,
    #[prost(bool, tag = "6")]
    sold: bool,
    #[prost(bytes = "vec", repeated, tag = "7")]
    hashes: Vec<Vec<u8>>,
    #[prost(string, repeated, tag = "8")]
    buyers: Vec<String>,
}

impl ConsumerItem {
    /// Of a lead that has ended.
    pub(super) fn of(earlier: Earlier) -> Self {
        Self {
            lead: earlier.lead.as_bytes().to_vec(),
            campaign: earlier.campaign,
            publisher: earlier.publisher,
            at_us: earlier.at.as_micros(),
            until_us: earlier.until.as_micros(),
            sold: earlier.standing == Standing::Sold,
            hashes: earlier.hashes.iter().map(|hash| hash.to_vec()).collect(),
            buyers: earlier.buyers,
        }
    }

    pub(super) fn earlier(&self) -> Result<Earlier, RecordError> {
        let hashes = self.hashes.iter().map(|hash| fixed(hash, "hashes"));
        Ok(Earlier {
            lead: LeadId::from_bytes(fixed(&self.lead, "lead")?),
            campaign: self.campaign.clone(),
            publisher: self.publisher.clone(),
            at: Timestamp::from_micros(self.at_us),
            until: Timestamp::from_micros(self.until_us),
            standing: match self.sold {
                true => Standing::Sold,
                false => Standing::Unsold,
            },
            hashes: hashes.collect::<Result<_, _>>()?,
            buyers: self.buyers.clone(),
        })
    }
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

impl EndedItem {
    pub(super) fn of(lead: LeadId, known: &EndedLead, names: &Names) -> Self {
        let bytes = |id: Option<&[u8]>| id.unwrap_or_default().to_vec();
        let consumer = known.consumer.as_ref();
        Self {
            lead: lead.as_bytes().to_vec(),
            at_us: known.ended.at.as_micros(),
            applied: known.ended.applied,
            legs: known.ended.legs.into(),
            records: known.ended.records.to_vec(),
            key: bytes(known.claimed.key.as_ref().map(|(key, _)| key.0.as_slice())),
            digest: bytes(
                known
                    .claimed
                    .key
                    .as_ref()
                    .map(|(_, digest)| digest.as_slice()),
            ),
            quote: bytes(
                known
                    .claimed
                    .quote
                    .as_ref()
                    .map(|quote| quote.as_bytes().as_slice()),
            ),
            consumer: consumer.map(|consumer| ConsumerItem::of(consumer.earlier(names))),
        }
    }

    pub(super) fn read(self, names: &mut Names) -> Result<(LeadId, EndedLead), RecordError> {
        let key = match self.key.as_slice() {
            [] => None,
            key => Some((KeyHash(fixed(key, "key")?), digest(&self.digest)?)),
        };
        let quote = match self.quote.as_slice() {
            [] => None,
            quote => Some(AuctionId::from_bytes(fixed(quote, "quote")?)),
        };
        let consumer = match self.consumer {
            Some(consumer) => Some(Remembered::new(&consumer.earlier()?, names)),
            None => None,
        };
        let legs = u16::try_from(self.legs).map_err(|_| RecordError::Field("legs"))?;
        let known = EndedLead {
            ended: Ended {
                at: Timestamp::from_micros(self.at_us),
                applied: self.applied,
                legs,
                records: self.records.into(),
            },
            claimed: Claimed { key, quote },
            consumer,
        };
        Ok((LeadId::from_bytes(fixed(&self.lead, "lead")?), known))
    }
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

fn fixed<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], RecordError> {
    bytes.try_into().map_err(|_| RecordError::Field(field))
}
