//! The fold of topic `leads`, and of nothing else: what recovery starts from and snapshots hold.
//!
//! Routers move claims and caps ahead of the log, so the live state is no fold of it and is never
//! written down. The shadow follows the log behind them. Its clock is the time in the records, so it
//! depends on the log alone. Open leads are kept encoded, as a snapshot writes them; of one that has
//! ended only what it claims, and where its records are, and that only for some minutes: then it goes
//! into the archive, and no snapshot holds it any more.
//!
//! What the archive says of a lead may be ahead of the fold, after a restart that begins with a
//! snapshot older than its row: only those of its records count that lie before the one to be folded,
//! so each moves the counters once for every snapshot, whatever the archive knows.

mod item;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use domain::{CounterKey, LeadId, Timestamp};
use prost::Message;
use proto::{LeadBody, LeadRecord, LeadState, Quoted, RecordError};
use store::fold::{self, Change};
use store::{ClaimKey, Digest, PING_KEPT, StoreError, counter_kept, key};

use crate::archive::Archive;
use crate::caps::LocalCaps;
use crate::claims::{self, KEPT, KeyHash, LocalClaims, has_ended};
use crate::ended::{EndedItem, EndedLead};
use crate::error::OpenError;
use crate::floor::Floor;
use crate::names::Names;
use crate::past::Past;
use crate::snapshot::Content;
use item::{Body, CounterItem, Item, QuoteItem, WholeItem};

/// Leads that one step looks at.
const STEP: usize = 2048;
/// When a lead that may not go yet is looked at again.
const AGAIN: Duration = Duration::from_secs(60);

pub(crate) struct Shadow {
    /// Next offset per partition.
    pub(crate) next: Vec<u64>,
    /// The latest time in a record.
    clock: Timestamp,
    leads: HashMap<LeadId, Known>,
    /// Leads that have ended, by when to look whether they may go.
    due: BTreeSet<(Timestamp, LeadId)>,
    counters: HashMap<CounterKey, Committed>,
    names: Names,
    quotes: VecDeque<Quote>,
    quote_bytes: usize,
    most_quote_bytes: usize,
    kept: Kept,
}

/// Where leads are that have ended, and how long they stay in memory.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) past: Past,
    pub(crate) archive: Archive,
    pub(crate) hot: Duration,
}

/// A lead.
#[derive(Debug)]
enum Known {
    /// Its encoded state, and where its records are.
    Whole { state: Bytes, records: Vec<u64> },
    /// It has ended, and the log keeps its records for as long as this.
    Ended(Box<EndedLead>),
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
    pub(crate) fn new(partitions: usize, most_quote_bytes: usize, kept: Kept) -> Self {
        Self {
            next: vec![0; partitions],
            clock: Timestamp::default(),
            leads: HashMap::new(),
            due: BTreeSet::new(),
            counters: HashMap::new(),
            names: Names::default(),
            quotes: VecDeque::new(),
            quote_bytes: 0,
            most_quote_bytes,
            kept,
        }
    }

    /// From a snapshot.
    pub(crate) fn restore(
        mut content: Content,
        partitions: usize,
        most_quote_bytes: usize,
        kept: Kept,
    ) -> Result<Self, OpenError> {
        let mut shadow = Self::new(partitions, most_quote_bytes, kept);
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
                        shadow.ended(&state, lead);
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
                    let due = ended.ended.at.plus(shadow.kept.hot);
                    shadow.due.insert((due, lead));
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
                Some(Body::Clock(at)) => shadow.saw(Timestamp::from_micros(at)),
                None => return Err(RecordError::Field("item of a snapshot").into()),
            }
        }
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
        let clock = [Body::Clock(self.clock.as_micros())].into_iter();
        let all = leads.chain(quotes).chain(counters).chain(clock);
        all.map(|body| Item { body: Some(body) }.encode_to_vec())
    }

    fn saw(&mut self, at: Timestamp) {
        self.clock = self.clock.max(at);
    }

    /// Folds one record. A record that makes no sense is passed over: it must not keep all others
    /// from being folded, and the log keeps it.
    ///
    /// # Errors
    /// What is known of the lead cannot be read: nothing may be folded any more.
    pub(crate) fn apply(
        &mut self,
        partition: u16,
        offset: u64,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        if let Some(next) = self.next.get_mut(usize::from(partition)) {
            *next = offset + 1;
        }
        let folded = LeadRecord::decode(payload)
            .map_err(|error| RecordError::from(error).into())
            .and_then(|record| self.fold(usize::from(partition), offset, record));
        match folded {
            Err(StoreError::Corrupt(error)) => {
                tracing::error!(partition, offset, %error, "a record of topic leads makes no sense");
                Ok(())
            }
            folded => folded,
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
            None => self.archived(lead, partition, offset)?,
            Some(Known::Whole { state, records }) => {
                let state = LeadState::decode(state.clone()).map_err(RecordError::from)?;
                (Some(state), records.clone())
            }
            Some(Known::Ended(known)) => {
                let records = &known.ended.records;
                let state = self.kept.past.read(lead, partition, records)?;
                (state, records.to_vec())
            }
        };
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
        if over {
            self.ended(&state, lead);
        }
        records.push(offset);
        let known = if over && self.kept.past.keeps(&state) {
            Known::Ended(Box::new(EndedLead::of(&state, &records, &mut self.names)?))
        } else {
            let state = state.encode_to_vec().into();
            Known::Whole { state, records }
        };
        self.leads.insert(lead, known);
        Ok(())
    }

    /// A lead of the archive, as it was before the record at `offset`.
    fn archived(
        &self,
        lead: LeadId,
        partition: usize,
        offset: u64,
    ) -> Result<(Option<LeadState>, Vec<u64>), StoreError> {
        let row = self.kept.archive.lead(lead)?;
        let records = row.map(|ended| ended.records.into_vec());
        let mut records = records.unwrap_or_default();
        records.retain(|record| *record < offset);
        match records.is_empty() {
            true => Ok((None, records)),
            false => Ok((self.kept.past.read(lead, partition, &records)?, records)),
        }
    }

    /// Puts a lead that has ended on the list of those that may go: into the archive if the log keeps
    /// its records for as long as it is remembered, else after that.
    fn ended(&mut self, state: &LeadState, lead: LeadId) {
        let at = Timestamp::from_micros(state.ended_at_us);
        let stays = match self.kept.past.keeps(state) {
            true => self.kept.hot,
            false => KEPT,
        };
        self.due.insert((at.plus(stays), lead));
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
        let before = self.clock.minus(PING_KEPT);
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

    /// Takes a few leads that ended some time ago from memory, this one and the live one, into the
    /// archive, once every consumer has seen their end and the disk has their records. False once
    /// there are no more for now.
    pub(crate) fn archive(
        &mut self,
        (floor, synced): (&Floor, &[u64]),
        now: Timestamp,
        claims: &LocalClaims,
    ) -> Result<bool, StoreError> {
        let mut leaving = Vec::new();
        let mut looked_at = 0;
        while looked_at < STEP
            && let Some((at, lead)) = self.due.first().copied()
            && at <= now
        {
            self.due.pop_first();
            looked_at += 1;
            // What makes no sense here made none when it was folded.
            let Ok(Some(ended)) = self.has_ended(lead) else {
                continue;
            };
            let (key, applied) = (key::lead(lead), ended.ended.applied);
            let on_disk = synced.get(floor.partition(key)).copied();
            if floor.passed(key, applied) && on_disk.is_some_and(|end| applied <= end) {
                leaving.push((lead, ended));
            } else {
                self.due.insert((now.plus(AGAIN), lead));
            }
        }
        if leaving.is_empty() {
            return Ok(looked_at == STEP);
        }
        if let Err(error) = self.kept.archive.put(&leaving, &self.names, now) {
            let again = now.plus(AGAIN);
            let leads = leaving.iter().map(|(lead, _)| (again, *lead));
            self.due.extend(leads);
            return Err(error);
        }
        for (lead, known) in leaving {
            self.leads.remove(&lead);
            claims.archived(lead, &known.ended);
        }
        Ok(looked_at == STEP)
    }

    /// A lead, if it is known and has ended.
    fn has_ended(&mut self, lead: LeadId) -> Result<Option<EndedLead>, RecordError> {
        match self.leads.get(&lead) {
            None => Ok(None),
            Some(Known::Ended(ended)) => Ok(Some((**ended).clone())),
            Some(Known::Whole { state, records }) => {
                let state = LeadState::decode(state.clone())?;
                let ended = has_ended(&state);
                let ended = ended.then(|| EndedLead::of(&state, records, &mut self.names));
                ended.transpose()
            }
        }
    }

    /// Forgets counters of windows that are past.
    pub(crate) fn forget(&mut self) {
        let now = self.clock;
        self.counters.retain(|key, counter| {
            counter_kept(key.meter.window()).is_none_or(|kept| counter.touched.plus(kept) >= now)
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
        for (lead, known) in &self.leads {
            match known {
                Known::Ended(known) => {
                    if let Some(consumer) = &known.consumer {
                        claims.restore_consumer(consumer.earlier(&self.names));
                    }
                    claims.restore_ended(*lead, known.ended.clone(), known.claimed);
                }
                Known::Whole { state, records } => {
                    let state = LeadState::decode(state.clone()).map_err(RecordError::from)?;
                    for leg in &state.legs {
                        caps.restore(&leg.reservation(*lead)?, leg.usage()?);
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
