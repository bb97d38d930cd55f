//! What is kept of a lead that has ended: what it claims, by what its consumer is known, and where
//! its records are. In memory for some minutes, as an item of a snapshot, and as rows in `cold`.

use domain::{AuctionId, LeadId, Timestamp};
use prost::Message;
use proto::{LeadState, RecordError};
use store::{Earlier, Standing};

use crate::claims::{Claimed, KeyHash, digest};
use crate::names::Names;
use crate::past::Ended;
use crate::remembered::Remembered;

/// A lead that has ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EndedLead {
    pub(crate) ended: Ended,
    pub(crate) claimed: Claimed,
    pub(crate) consumer: Option<Remembered>,
}

impl EndedLead {
    pub(crate) fn of(
        state: &LeadState,
        records: &[u64],
        names: &mut Names,
    ) -> Result<Self, RecordError> {
        let claimed = state.received.as_ref().map(Claimed::by).transpose()?;
        Ok(Self {
            ended: Ended::new(state, records),
            claimed: claimed.unwrap_or_default(),
            consumer: Earlier::of(state)?.map(|earlier| Remembered::new(&earlier, names)),
        })
    }
}

/// Where the records of a lead that has ended are.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PlaceItem {
    #[prost(int64, tag = "1")]
    at_us: i64,
    #[prost(uint64, tag = "2")]
    applied: u64,
    #[prost(uint32, tag = "3")]
    legs: u32,
    #[prost(uint64, repeated, tag = "4")]
    records: Vec<u64>,
}

impl PlaceItem {
    pub(crate) fn of(ended: &Ended) -> Self {
        Self {
            at_us: ended.at.as_micros(),
            applied: ended.applied,
            legs: ended.legs.into(),
            records: ended.records.to_vec(),
        }
    }

    pub(crate) fn read(self) -> Result<Ended, RecordError> {
        Ok(Ended {
            at: Timestamp::from_micros(self.at_us),
            applied: self.applied,
            legs: u16::try_from(self.legs).map_err(|_| RecordError::Field("legs"))?,
            records: self.records.into(),
        })
    }
}

/// A lead that has ended, whole.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EndedItem {
    #[prost(bytes = "vec", tag = "1")]
    lead: Vec<u8>,
    #[prost(message, required, tag = "2")]
    place: PlaceItem,
    /// Empty if it has none.
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    digest: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    quote: Vec<u8>,
    #[prost(message, optional, tag = "6")]
    consumer: Option<ConsumerItem>,
}

impl EndedItem {
    pub(crate) fn of(lead: LeadId, known: &EndedLead, names: &Names) -> Self {
        let bytes = |id: Option<&[u8]>| id.unwrap_or_default().to_vec();
        let claimed = &known.claimed;
        let key = claimed.key.as_ref();
        Self {
            lead: lead.as_bytes().to_vec(),
            place: PlaceItem::of(&known.ended),
            key: bytes(key.map(|(key, _)| key.0.as_slice())),
            digest: bytes(key.map(|(_, digest)| digest.as_slice())),
            quote: bytes(claimed.quote.as_ref().map(|it| it.as_bytes().as_slice())),
            consumer: (known.consumer.as_ref())
                .map(|consumer| ConsumerItem::of(&consumer.earlier(names))),
        }
    }

    pub(crate) fn read(self, names: &mut Names) -> Result<(LeadId, EndedLead), RecordError> {
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
        let known = EndedLead {
            ended: self.place.read()?,
            claimed: Claimed { key, quote },
            consumer,
        };
        Ok((LeadId::from_bytes(fixed(&self.lead, "lead")?), known))
    }
}

/// What is remembered of a lead's consumer.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ConsumerItem {
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
    pub(crate) fn of(earlier: &Earlier) -> Self {
        Self {
            lead: earlier.lead.as_bytes().to_vec(),
            campaign: earlier.campaign.clone(),
            publisher: earlier.publisher.clone(),
            at_us: earlier.at.as_micros(),
            until_us: earlier.until.as_micros(),
            sold: earlier.standing == Standing::Sold,
            hashes: earlier.hashes.iter().map(|hash| hash.to_vec()).collect(),
            buyers: earlier.buyers.clone(),
        }
    }

    pub(crate) fn earlier(&self) -> Result<Earlier, RecordError> {
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

pub(crate) fn fixed<const N: usize>(
    bytes: &[u8],
    field: &'static str,
) -> Result<[u8; N], RecordError> {
    bytes.try_into().map_err(|_| RecordError::Field(field))
}
