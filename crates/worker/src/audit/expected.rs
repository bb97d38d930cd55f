//! What a range of the log should have left in the tables, as far as its records alone can tell.

use std::collections::BTreeSet;

use attribution::model;
use bytes::Bytes;
use domain::{AuctionId, EventId, LeadId, SaleId, Timestamp};
use proto::{EventBody, EventRecord, LeadBody, LeadRecord, Message as _, RecordError, Waterfall};
use store::{Record, Topic};
use warehouse::Sought;

use crate::gather::Gathered;
use crate::{journey, rows};

/// A range of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) topic: Topic,
    pub(crate) partition: u16,
    /// Its first offset.
    pub(crate) from: u64,
    /// The offset after its last.
    pub(crate) next: u64,
}

impl Place {
    /// Whether it is of one of these partitions.
    pub(crate) fn is_in(&self, partitions: &[(Topic, u16)]) -> bool {
        partitions.contains(&(self.topic, self.partition))
    }
}

/// Rows that one record should have left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) sought: Sought,
    pub(crate) key: String,
    /// How many rows have this key.
    pub(crate) count: u64,
    /// About when they happened.
    pub(crate) at: Timestamp,
    /// The record's.
    offset: u64,
}

/// As much of an [`EventRecord`] as says whether more is needed: most are clicks, and a click's row is
/// known by its id.
#[derive(Clone, PartialEq, prost::Message)]
struct Head {
    #[prost(bytes = "bytes", tag = "1")]
    id: Bytes,
    #[prost(int64, tag = "2")]
    ts_us: i64,
    #[prost(bytes = "bytes", optional, tag = "10")]
    click: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "12")]
    impression: Option<Bytes>,
}

impl Head {
    fn event_id(&self) -> Result<EventId, RecordError> {
        let id = self.id.as_ref().try_into();
        id.map(EventId::from_bytes)
            .map_err(|_| RecordError::Field("id"))
    }

    fn is_plain(&self) -> bool {
        self.click.is_some() || self.impression.is_some()
    }
}

/// What a record is about: an event, a quote or a lead.
type Subject = [u8; 16];

/// A range and what it should have left.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) place: Place,
    pub(crate) rows: Vec<Rows>,
    /// Records that should be dead letters.
    pub(crate) unreadable: BTreeSet<u64>,
    /// By offset, in order.
    subjects: Vec<(u64, Subject)>,
}

impl Compared {
    /// The ranges of a batch.
    pub(crate) fn all(gathered: &Gathered) -> Vec<Self> {
        let ranges = gathered.records.iter();
        ranges
            .filter_map(|((topic, partition), records)| Self::read(*topic, *partition, records))
            .collect()
    }

    fn read(topic: Topic, partition: u16, records: &[Record]) -> Option<Self> {
        let (first, last) = (records.first()?, records.last()?);
        let mut range = Self {
            place: Place {
                topic,
                partition,
                from: first.offset,
                next: last.offset.saturating_add(1),
            },
            rows: Vec::with_capacity(records.len()),
            unreadable: BTreeSet::new(),
            subjects: Vec::with_capacity(records.len()),
        };
        for record in records {
            let read = match topic {
                Topic::Events => range.event(record),
                Topic::Leads => range.lead(record),
                Topic::Catalog => Ok(()),
            };
            if read.is_err() {
                range.unreadable.insert(record.offset);
            }
        }
        Some(range)
    }

    fn event(&mut self, record: &Record) -> Result<(), RecordError> {
        let head = Head::decode(record.payload.clone())?;
        let (offset, at) = (record.offset, Timestamp::from_micros(head.ts_us));
        let mut expect = |sought, key, count| {
            self.rows.push(Rows {
                sought,
                key,
                count,
                at,
                offset,
            });
        };
        let id = head.event_id()?;
        if head.is_plain() {
            expect(Sought::Events, id.text(), 1);
            self.subjects.push((offset, *id.as_bytes()));
            return Ok(());
        }
        let event = EventRecord::decode(record.payload.clone())?;
        match &event.body {
            // What identities tell each other has no row.
            Some(EventBody::Told(_)) => return Ok(()),
            Some(EventBody::Refused(refused)) => {
                let row = rows::refusal::row(&event, refused)?;
                expect(Sought::Refusals, row.request_id, 1);
            }
            Some(EventBody::Conversion(said)) => {
                let conversion = journey::conversion_id(&event, said)?.to_string();
                let models = u64::try_from(model::ALL.len()).unwrap_or(u64::MAX);
                expect(Sought::Events, id.text(), 1);
                expect(Sought::Credits, conversion.clone(), models);
                expect(Sought::Conversions, conversion, 1);
            }
            _ => expect(Sought::Events, id.text(), 1),
        }
        self.subjects.push((offset, *id.as_bytes()));
        Ok(())
    }

    fn lead(&mut self, record: &Record) -> Result<(), RecordError> {
        let LeadRecord {
            subject,
            at_us,
            body,
            ..
        } = LeadRecord::decode(record.payload.clone())?;
        let id =
            <[u8; 16]>::try_from(subject.as_slice()).map_err(|_| RecordError::Field("subject"))?;
        let lead = LeadId::from_bytes(id);
        let (offset, at) = (record.offset, Timestamp::from_micros(at_us));
        let mut expect = |sought, key, count| {
            if count > 0 {
                self.rows.push(Rows {
                    sought,
                    key,
                    count,
                    at,
                    offset,
                });
            }
        };
        match body.ok_or(RecordError::Field("body"))? {
            LeadBody::Quoted(quoted) => {
                let auction = AuctionId::from_bytes(id).to_string();
                let pinged = pinged(quoted.waterfall.as_ref());
                expect(Sought::QuotePings, auction.clone(), pinged);
                expect(Sought::Quotes, auction, 1);
            }
            LeadBody::Received(_) => expect(Sought::Leads, lead.to_string(), 1),
            LeadBody::Posting(posting) => {
                let leg = u16::try_from(posting.leg).map_err(|_| RecordError::Field("leg"))?;
                expect(Sought::Posts, SaleId { lead, leg }.to_string(), 1);
            }
            LeadBody::Outcome(outcome) => {
                let pinged = pinged(outcome.waterfall.as_ref());
                expect(Sought::RunPings, lead.to_string(), pinged);
                expect(Sought::Runs, lead.to_string(), 1);
            }
            // They change rows that other records make.
            LeadBody::Settled(_) | LeadBody::Lapsed(_) | LeadBody::Interrupted(_) => {}
        }
        self.subjects.push((offset, id));
        Ok(())
    }

    /// The rows to be there, if these records of the range are dead letters. A lead's records share
    /// its rows, so one letter stands for all of them.
    pub(crate) fn less(&self, letters: &BTreeSet<u64>) -> impl Iterator<Item = &Rows> {
        let letters = letters.iter();
        let dead: BTreeSet<&Subject> = letters.filter_map(|at| self.subject(*at)).collect();
        self.rows.iter().filter(move |rows| {
            let subject = self.subject(rows.offset);
            !subject.is_some_and(|subject| dead.contains(subject))
        })
    }

    fn subject(&self, offset: u64) -> Option<&Subject> {
        let at = self.subjects.binary_search_by_key(&offset, |(at, _)| *at);
        self.subjects.get(at.ok()?).map(|(_, subject)| subject)
    }
}

/// How many contracts were pinged: each has one row.
fn pinged(waterfall: Option<&Waterfall>) -> u64 {
    let pings = waterfall.into_iter().flat_map(|waterfall| &waterfall.pings);
    let contracts: BTreeSet<&str> = pings.map(|ping| ping.contract.as_str()).collect();
    u64::try_from(contracts.len()).unwrap_or(u64::MAX)
}
