//! The fold of topic `leads`, and of nothing else: what recovery starts from and snapshots hold.
//!
//! Routers move claims and caps ahead of the log, so the live state is no fold of it and is never
//! written down. The shadow follows the log behind them. Its clock is the time in the records, so it
//! depends on the log alone; leads are kept encoded, as a snapshot writes them.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use domain::{CounterKey, LeadId, Timestamp};
use prost::Message;
use proto::{LeadBody, LeadRecord, LeadState, Quoted, RecordError};
use store::fold::{self, Change};
use store::{ClaimKey, Earlier, Standing, StoreError, key};

use crate::caps::{self, LocalCaps};
use crate::claims::{KEPT, LocalClaims, has_ended};
use crate::floor::Floor;
use crate::snapshot::Content;

#[derive(Debug, Default)]
pub(crate) struct Shadow {
    /// Next offset per partition.
    pub(crate) next: Vec<u64>,
    /// The latest time in a record.
    clock: Timestamp,
    leads: HashMap<LeadId, Bytes>,
    /// Leads by the time they ended.
    ended: VecDeque<(i64, LeadId)>,
    counters: HashMap<CounterKey, Committed>,
    /// Of leads that are forgotten.
    consumers: Vec<ConsumerItem>,
    quotes: VecDeque<QuoteItem>,
    quote_bytes: usize,
    most_quote_bytes: usize,
}

/// What is committed of a counter, and when it was last used.
#[derive(Debug, Default)]
struct Committed {
    amount: i64,
    touched: Timestamp,
}

/// One thing of a snapshot.
#[derive(Clone, PartialEq, Message)]
struct Item {
    #[prost(oneof = "Body", tags = "1, 2, 3, 4")]
    body: Option<Body>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Body {
    /// An encoded `LeadState`.
    #[prost(bytes = "bytes", tag = "1")]
    Lead(Bytes),
    #[prost(message, tag = "2")]
    Quote(QuoteItem),
    #[prost(message, tag = "3")]
    Counter(CounterItem),
    #[prost(message, tag = "4")]
    Consumer(ConsumerItem),
}

/// What is remembered of a lead's consumer once the lead itself is forgotten.
#[derive(Clone, PartialEq, Message)]
struct ConsumerItem {
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
    fn of(earlier: Earlier) -> Self {
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

    fn earlier(&self) -> Result<Earlier, RecordError> {
        let lead = self.lead.as_slice().try_into();
        let hashes = self.hashes.iter().map(|hash| {
            let hash = hash.as_slice().try_into();
            hash.map_err(|_| RecordError::Field("hashes"))
        });
        Ok(Earlier {
            lead: LeadId::from_bytes(lead.map_err(|_| RecordError::Field("lead"))?),
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
struct QuoteItem {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(bytes = "vec", tag = "2")]
    digest: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    answer: Vec<u8>,
    #[prost(int64, tag = "4")]
    at_us: i64,
}

/// What is committed of a counter.
#[derive(Clone, PartialEq, Message)]
struct CounterItem {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "3")]
    committed: i64,
    #[prost(int64, tag = "4")]
    touched_us: i64,
}

impl Shadow {
    pub(crate) fn new(partitions: usize, most_quote_bytes: usize) -> Self {
        Self {
            next: vec![0; partitions],
            most_quote_bytes,
            ..Self::default()
        }
    }

    /// From a snapshot.
    pub(crate) fn restore(
        content: Content,
        partitions: usize,
        most_quote_bytes: usize,
    ) -> Result<Self, RecordError> {
        let mut shadow = Self::new(partitions, most_quote_bytes);
        shadow.next = content.through;
        shadow.next.resize(partitions, 0);
        for item in content.items {
            match Item::decode(item)?.body {
                Some(Body::Lead(encoded)) => {
                    let state = LeadState::decode(encoded.clone())?;
                    let lead = state.lead_id()?;
                    if has_ended(&state) {
                        shadow.ended.push_back((state.ended_at_us, lead));
                    }
                    shadow.saw(Timestamp::from_micros(state.ended_at_us));
                    // A copy of its own: a slice would keep the whole file.
                    shadow.leads.insert(lead, Bytes::copy_from_slice(&encoded));
                }
                Some(Body::Quote(quote)) => shadow.push_quote(quote),
                Some(Body::Counter(counter)) => {
                    let touched = Timestamp::from_micros(counter.touched_us);
                    shadow.saw(touched);
                    let key = counter.name.parse();
                    let key = key.map_err(|_| RecordError::Field("counter of a snapshot"))?;
                    let amount = counter.committed;
                    shadow.counters.insert(key, Committed { amount, touched });
                }
                Some(Body::Consumer(consumer)) => shadow.consumers.push(consumer),
                None => return Err(RecordError::Field("item of a snapshot")),
            }
        }
        shadow.ended.make_contiguous().sort_unstable();
        Ok(shadow)
    }

    /// As a snapshot.
    pub(crate) fn content(&self) -> Content {
        let leads = self.leads.values().cloned().map(Body::Lead);
        let quotes = self.quotes.iter().cloned().map(Body::Quote);
        let counters = self.counters.iter().map(|(key, counter)| {
            Body::Counter(CounterItem {
                name: key.to_string(),
                committed: counter.amount,
                touched_us: counter.touched.as_micros(),
            })
        });
        let consumers = self.consumers.iter().cloned().map(Body::Consumer);
        let all = leads.chain(quotes).chain(counters).chain(consumers);
        let items = all.map(|body| {
            let item = Item { body: Some(body) };
            item.encode_to_vec().into()
        });
        Content {
            through: self.next.clone(),
            items: items.collect(),
        }
    }

    fn saw(&mut self, at: Timestamp) {
        self.clock = self.clock.max(at);
    }

    /// Folds one record. A record that makes no sense is passed over: it must not keep all others
    /// from being folded, and the log keeps it.
    pub(crate) fn apply(&mut self, partition: u16, offset: u64, payload: &[u8]) {
        if let Some(next) = self.next.get_mut(usize::from(partition)) {
            *next = offset + 1;
        }
        let folded = LeadRecord::decode(payload)
            .map_err(RecordError::from)
            .and_then(|record| self.fold(offset, record));
        if let Err(error) = folded {
            tracing::error!(partition, offset, %error, "a record of topic leads makes no sense");
        }
    }

    fn fold(&mut self, offset: u64, record: LeadRecord) -> Result<(), RecordError> {
        self.saw(record.at());
        if let Some(LeadBody::Quoted(quoted)) = record.body {
            self.quote(quoted, record.at_us);
            return Ok(());
        }
        let lead = record.lead_id()?;
        let before = match self.leads.get(&lead) {
            Some(encoded) => Some(LeadState::decode(encoded.clone())?),
            None => None,
        };
        let was_over = before.as_ref().is_some_and(has_ended);
        let (state, changes) = fold::apply(before, offset, &record)?;
        if state.received.is_none() && state.legs.is_empty() {
            return Ok(());
        }
        for change in changes {
            if let Change::LegEnded(number, _) = change {
                self.commit(&state, number, record.at())?;
            }
        }
        if has_ended(&state) && !was_over {
            self.ended.push_back((state.ended_at_us, lead));
        }
        self.leads.insert(lead, state.encode_to_vec().into());
        Ok(())
    }

    /// Counts what a leg has used.
    fn commit(&mut self, state: &LeadState, number: u16, at: Timestamp) -> Result<(), RecordError> {
        let ended = state.legs.iter().find(|leg| leg.leg == u32::from(number));
        let Some(leg) = ended else {
            return Ok(());
        };
        let Some(usage) = leg.usage()? else {
            return Ok(());
        };
        let reservation = leg.reservation(state.lead_id()?)?;
        for take in reservation.counters {
            if take.is_used(usage) {
                let counter = self.counters.entry(take.key).or_default();
                counter.amount = counter.amount.saturating_add(take.amount);
                counter.touched = counter.touched.max(at);
            }
        }
        Ok(())
    }

    fn quote(&mut self, quoted: Quoted, at_us: i64) {
        if let Some(claim) = quoted.claim
            && !quoted.answer.is_empty()
        {
            self.push_quote(QuoteItem {
                key: claim.key,
                digest: claim.digest,
                answer: quoted.answer,
                at_us,
            });
        }
    }

    fn push_quote(&mut self, quote: QuoteItem) {
        self.saw(Timestamp::from_micros(quote.at_us));
        self.quote_bytes += quote.key.len() + quote.answer.len();
        self.quotes.push_back(quote);
        let before = self.clock.minus(KEPT).as_micros();
        while self
            .quotes
            .front()
            .is_some_and(|first| first.at_us < before || self.quote_bytes > self.most_quote_bytes)
        {
            if let Some(first) = self.quotes.pop_front() {
                self.quote_bytes -= first.key.len() + first.answer.len();
            }
        }
    }

    /// Forgets leads a day after their end, once every consumer has seen it, and past windows.
    pub(crate) fn forget(&mut self, floor: &Floor) {
        let before = self.clock.minus(KEPT).as_micros();
        let mut later = Vec::new();
        while let Some((at, lead)) = self.ended.front().copied() {
            if at >= before {
                break;
            }
            self.ended.pop_front();
            let state = self.leads.get(&lead).cloned().map(LeadState::decode);
            let Some(Ok(state)) = state else {
                continue;
            };
            if !has_ended(&state) {
                continue;
            }
            if floor.passed(key::lead(lead), state.applied) {
                // What makes no sense here made none when it was folded.
                if let Ok(Some(earlier)) = Earlier::of(&state) {
                    self.consumers.push(ConsumerItem::of(earlier));
                }
                self.leads.remove(&lead);
            } else {
                later.push((at, lead));
            }
        }
        for ended in later.into_iter().rev() {
            self.ended.push_front(ended);
        }
        let now = self.clock;
        let now_us = now.as_micros();
        self.consumers.retain(|consumer| consumer.until_us > now_us);
        self.counters.retain(|key, counter| {
            caps::kept(key.meter.window()).is_none_or(|kept| counter.touched.plus(kept) >= now)
        });
    }

    /// Builds the live state of a process that starts.
    pub(crate) fn revive(&self, claims: &LocalClaims, caps: &LocalCaps) -> Result<(), StoreError> {
        for (key, counter) in &self.counters {
            caps.restore_counter(key.clone(), counter.amount, counter.touched);
        }
        for quote in &self.quotes {
            let digest = quote.digest.as_slice().try_into();
            let digest = digest.map_err(|_| RecordError::Field("digest"))?;
            let at = Timestamp::from_micros(quote.at_us);
            claims.restore_quote(ClaimKey(quote.key.clone()), digest, &quote.answer, at);
        }
        for consumer in &self.consumers {
            claims.restore_consumer(consumer.earlier()?);
        }
        let mut states = Vec::with_capacity(self.leads.len());
        for encoded in self.leads.values() {
            states.push(LeadState::decode(encoded.clone()).map_err(RecordError::from)?);
        }
        // Expiry queues are in order of time.
        states.sort_unstable_by_key(|state| state.ended_at_us);
        for state in states {
            let lead = state.lead_id()?;
            for leg in &state.legs {
                caps.restore(&leg.reservation(lead)?, leg.usage()?);
            }
            claims.restore(state)?;
        }
        Ok(())
    }

    /// The latest time in a record.
    pub(crate) fn clock(&self) -> Timestamp {
        self.clock
    }
}
