//! The fold of topic `leads`, and of nothing else: what recovery starts from and snapshots hold.
//!
//! Routers move claims and caps ahead of the log, so the live state is no fold of it and is never
//! written down. The shadow follows the log behind them. Its clock is the time in the records, so it
//! depends on the log alone. Open leads are kept encoded, as a snapshot writes them; of one that has
//! ended only what it claims, and where its records are.

mod item;

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use domain::{CounterKey, LeadId, Timestamp};
use prost::Message;
use proto::{LeadBody, LeadRecord, LeadState, Quoted, RecordError};
use store::fold::{self, Change};
use store::{ClaimKey, Digest, Earlier, StoreError, key};

use crate::caps::{self, LocalCaps};
use crate::claims::{self, Claimed, KEPT, KeyHash, LocalClaims, has_ended};
use crate::error::OpenError;
use crate::floor::Floor;
use crate::names::Names;
use crate::past::{Ended, Past};
use crate::remembered::Remembered;
use crate::snapshot::Content;
use item::{Body, ConsumerItem, CounterItem, EndedItem, Item, QuoteItem, WholeItem};

#[derive(Debug)]
pub(crate) struct Shadow {
    /// Next offset per partition.
    pub(crate) next: Vec<u64>,
    /// The latest time in a record.
    clock: Timestamp,
    leads: HashMap<LeadId, Known>,
    /// Leads by the time they ended.
    ended: VecDeque<(i64, LeadId)>,
    counters: HashMap<CounterKey, Committed>,
    /// Of leads that are forgotten.
    consumers: Vec<Remembered>,
    names: Names,
    quotes: VecDeque<Quote>,
    quote_bytes: usize,
    most_quote_bytes: usize,
    past: Past,
}

/// A lead.
#[derive(Debug)]
enum Known {
    /// Its encoded state, and where its records are.
    Whole { state: Bytes, records: Vec<u64> },
    /// It has ended, and the log keeps its records for as long as this.
    Ended(Box<EndedLead>),
}

/// What a lead that has ended claims.
#[derive(Debug, Clone, PartialEq)]
struct EndedLead {
    ended: Ended,
    claimed: Claimed,
    consumer: Option<Remembered>,
}

/// The answer to a ping.
#[derive(Debug, Clone, PartialEq)]
struct Quote {
    key: KeyHash,
    digest: Digest,
    answer: Box<[u8]>,
    at: Timestamp,
}

/// What is committed of a counter, and when it was last used.
#[derive(Debug, Default)]
struct Committed {
    amount: i64,
    touched: Timestamp,
}

impl Shadow {
    pub(crate) fn new(partitions: usize, most_quote_bytes: usize, past: Past) -> Self {
        Self {
            next: vec![0; partitions],
            clock: Timestamp::default(),
            leads: HashMap::new(),
            ended: VecDeque::new(),
            counters: HashMap::new(),
            consumers: Vec::new(),
            names: Names::default(),
            quotes: VecDeque::new(),
            quote_bytes: 0,
            most_quote_bytes,
            past,
        }
    }

    /// From a snapshot.
    pub(crate) fn restore(
        mut content: Content,
        partitions: usize,
        most_quote_bytes: usize,
        past: Past,
    ) -> Result<Self, OpenError> {
        let mut shadow = Self::new(partitions, most_quote_bytes, past);
        shadow.next = content.through;
        shadow.next.resize(partitions, 0);
        while let Some(item) = content.items.next()? {
            let item = Item::decode(Bytes::from(item)).map_err(RecordError::from)?;
            match item.body {
                Some(Body::Whole(whole)) => {
                    let state =
                        LeadState::decode(whole.state.clone()).map_err(RecordError::from)?;
                    let lead = state.lead_id()?;
                    if has_ended(&state) {
                        shadow.ended.push_back((state.ended_at_us, lead));
                    }
                    shadow.saw(Timestamp::from_micros(state.ended_at_us));
                    let known = Known::Whole {
                        state: whole.state,
                        records: whole.records,
                    };
                    shadow.leads.insert(lead, known);
                }
                Some(Body::Ended(item)) => {
                    let (lead, ended) = item.read(&mut shadow.names)?;
                    shadow.saw(ended.ended.at);
                    shadow.ended.push_back((ended.ended.at.as_micros(), lead));
                    shadow.leads.insert(lead, Known::Ended(Box::new(ended)));
                }
                Some(Body::Quote(quote)) => shadow.push_quote(quote.read()?),
                Some(Body::Counter(counter)) => {
                    let touched = Timestamp::from_micros(counter.touched_us);
                    shadow.saw(touched);
                    let key = counter.name.parse();
                    let key = key.map_err(|_| RecordError::Field("counter of a snapshot"))?;
                    let amount = counter.committed;
                    shadow.counters.insert(key, Committed { amount, touched });
                }
                Some(Body::Consumer(consumer)) => {
                    let earlier = consumer.earlier()?;
                    let remembered = Remembered::new(&earlier, &mut shadow.names);
                    shadow.consumers.push(remembered);
                }
                None => return Err(RecordError::Field("item of a snapshot").into()),
            }
        }
        shadow.ended.make_contiguous().sort_unstable();
        Ok(shadow)
    }

    /// What a snapshot holds, encoded.
    pub(crate) fn items(&self) -> impl Iterator<Item = Vec<u8>> {
        let leads = self.leads.iter().map(|(lead, known)| match known {
            Known::Whole { state, records } => Body::Whole(WholeItem {
                state: state.clone(),
                records: records.clone(),
            }),
            Known::Ended(ended) => Body::Ended(EndedItem::of(*lead, ended, &self.names)),
        });
        let quotes = self.quotes.iter().map(QuoteItem::of).map(Body::Quote);
        let counters = self.counters.iter().map(|(key, counter)| {
            Body::Counter(CounterItem {
                name: key.to_string(),
                committed: counter.amount,
                touched_us: counter.touched.as_micros(),
            })
        });
        let consumers = self.consumers.iter();
        let consumers = consumers
            .map(|consumer| Body::Consumer(ConsumerItem::of(consumer.earlier(&self.names))));
        let all = leads.chain(quotes).chain(counters).chain(consumers);
        all.map(|body| Item { body: Some(body) }.encode_to_vec())
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
            .map_err(|error| RecordError::from(error).into())
            .and_then(|record| self.fold(usize::from(partition), offset, record));
        if let Err(error) = folded {
            tracing::error!(partition, offset, %error, "a record of topic leads makes no sense");
        }
    }

    fn fold(
        &mut self,
        partition: usize,
        offset: u64,
        record: LeadRecord,
    ) -> Result<(), StoreError> {
        let at = record.at();
        self.saw(at);
        if let Some(LeadBody::Quoted(quoted)) = record.body {
            return Ok(self.quote(quoted, at)?);
        }
        let lead = record.lead_id()?;
        let (before, mut records) = match self.leads.get(&lead) {
            None => (None, Vec::new()),
            Some(Known::Whole { state, records }) => {
                let state = LeadState::decode(state.clone()).map_err(RecordError::from)?;
                (Some(state), records.clone())
            }
            Some(Known::Ended(known)) => {
                let records = &known.ended.records;
                (self.past.read(lead, partition, records)?, records.to_vec())
            }
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
        let over = has_ended(&state);
        if over && !was_over {
            self.ended.push_back((state.ended_at_us, lead));
        }
        records.push(offset);
        let known = if over && self.past.keeps(&state) {
            Known::Ended(Box::new(EndedLead::of(&state, &records, &mut self.names)?))
        } else {
            let state = state.encode_to_vec().into();
            Known::Whole { state, records }
        };
        self.leads.insert(lead, known);
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

    fn quote(&mut self, quoted: Quoted, at: Timestamp) -> Result<(), RecordError> {
        if let Some(claim) = quoted.claim
            && !quoted.answer.is_empty()
        {
            self.push_quote(Quote {
                key: KeyHash::from(&ClaimKey(claim.key)),
                digest: claims::digest(&claim.digest)?,
                answer: quoted.answer.into(),
                at,
            });
        }
        Ok(())
    }

    fn push_quote(&mut self, quote: Quote) {
        self.saw(quote.at);
        self.quote_bytes += quote.answer.len();
        self.quotes.push_back(quote);
        let before = self.clock.minus(KEPT);
        while self
            .quotes
            .front()
            .is_some_and(|first| first.at < before || self.quote_bytes > self.most_quote_bytes)
        {
            if let Some(first) = self.quotes.pop_front() {
                self.quote_bytes -= first.answer.len();
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
            let ended = match self.leads.get(&lead) {
                None => continue,
                Some(Known::Ended(ended)) => Ok((**ended).clone()),
                Some(Known::Whole { state, records }) => match LeadState::decode(state.clone()) {
                    Ok(state) if has_ended(&state) => {
                        EndedLead::of(&state, records, &mut self.names)
                    }
                    _ => continue,
                },
            };
            // What makes no sense here made none when it was folded.
            let Ok(ended) = ended else {
                continue;
            };
            if floor.passed(key::lead(lead), ended.ended.applied) {
                self.consumers.extend(ended.consumer);
                self.leads.remove(&lead);
            } else {
                later.push((at, lead));
            }
        }
        for ended in later.into_iter().rev() {
            self.ended.push_front(ended);
        }
        let now = self.clock;
        self.consumers.retain(|consumer| consumer.until > now);
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
            claims.restore_quote(quote.key, quote.digest, &quote.answer, quote.at);
        }
        for consumer in &self.consumers {
            claims.restore_consumer(consumer.earlier(&self.names));
        }
        let mut leads = Vec::with_capacity(self.leads.len());
        for (lead, known) in &self.leads {
            let ended_at = match known {
                Known::Ended(ended) => ended.ended.at,
                Known::Whole { state, .. } => {
                    let state = LeadState::decode(state.clone()).map_err(RecordError::from)?;
                    Timestamp::from_micros(state.ended_at_us)
                }
            };
            leads.push((ended_at, *lead, known));
        }
        // Expiry queues are in order of time.
        leads.sort_unstable_by_key(|(ended_at, lead, _)| (*ended_at, *lead));
        for (_, lead, known) in leads {
            match known {
                Known::Ended(known) => {
                    if let Some(consumer) = &known.consumer {
                        claims.restore_consumer(consumer.earlier(&self.names));
                    }
                    claims.restore_ended(lead, known.ended.clone(), known.claimed);
                }
                Known::Whole { state, records } => {
                    let state = LeadState::decode(state.clone()).map_err(RecordError::from)?;
                    for leg in &state.legs {
                        caps.restore(&leg.reservation(lead)?, leg.usage()?);
                    }
                    claims.restore(state, records.clone())?;
                }
            }
        }
        Ok(())
    }

    /// The latest time in a record.
    pub(crate) fn clock(&self) -> Timestamp {
        self.clock
    }
}

impl EndedLead {
    fn of(state: &LeadState, records: &[u64], names: &mut Names) -> Result<Self, RecordError> {
        let claimed = state.received.as_ref().map(Claimed::by).transpose()?;
        Ok(Self {
            ended: Ended::new(state, records),
            claimed: claimed.unwrap_or_default(),
            consumer: Earlier::of(state)?.map(|earlier| Remembered::new(&earlier, names)),
        })
    }
}
