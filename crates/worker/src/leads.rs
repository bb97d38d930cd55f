//! Topic `leads`: records are folded into claims, ended legs settle their caps, leads become rows,
//! and sales become events.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use domain::{LeadId, LegState, Settlement};
use proto::{EventRecord, LeadBody, LeadRecord, LeadState, Message as _, RecordError};
use store::{Ack, Backend, Caps as _, Claims as _, EventLog, Record, StoreError, Topic, key};
use telemetry::Metrics;
use warehouse::Batch;

use crate::{letter, rows, sale};

/// A lead that records of this batch were about.
struct Touched<'a> {
    state: Arc<LeadState>,
    /// The last of them.
    last: &'a Record,
    /// The router's last word, if it is among them.
    outcome: Option<(u64, LeadRecord)>,
}

/// Folds the records of one partition, in order, and adds their rows to `batch`. What cannot be read
/// becomes a dead letter; an error means that a store could not answer and nothing is lost by trying
/// again.
pub(crate) async fn fold<B: Backend>(
    backend: &B,
    metrics: &Metrics,
    partition: u16,
    records: &[Record],
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let dead = |record, error: &str| letter::dead(metrics, Topic::Leads, partition, record, &error);
    let mut touched = BTreeMap::new();
    for record in records {
        match fold_one(backend, record, batch, &mut touched).await {
            Err(StoreError::Corrupt(error)) => batch.dead_letters.push(dead(record, &error)),
            other => other?,
        }
    }
    let mut sales = Vec::new();
    for lead in touched.values() {
        match settle(backend, &lead.state)
            .await
            .and_then(|()| Ok(add_rows(lead, batch)?))
        {
            Ok(sale) => sales.extend(sale),
            Err(StoreError::Corrupt(error)) => batch.dead_letters.push(dead(lead.last, &error)),
            Err(other) => return Err(other),
        }
    }
    forward(backend, &sales).await
}

async fn fold_one<'a, B: Backend>(
    backend: &B,
    record: &'a Record,
    batch: &mut Batch,
    touched: &mut BTreeMap<LeadId, Touched<'a>>,
) -> Result<(), StoreError> {
    let read = LeadRecord::decode(record.payload.clone()).map_err(RecordError::from)?;
    if let Some(LeadBody::Quoted(quoted)) = &read.body {
        let (auction, pings) = rows::auction::quoted(record.offset, &read, quoted)?;
        batch.auctions.push(auction);
        batch.pings.extend(pings);
        return Ok(());
    }
    let state = backend.claims().fold(record.offset, &read).await?.state;
    let lead = read.lead_id()?;
    let before = touched.remove(&lead).and_then(|touched| touched.outcome);
    let outcome = match &read.body {
        // The first counts.
        Some(LeadBody::Outcome(_)) if before.is_none() => Some((record.offset, read)),
        _ => before,
    };
    touched.insert(
        lead,
        Touched {
            state,
            last: record,
            outcome,
        },
    );
    Ok(())
}

/// Adds the rows of a lead; returns the conversion it is, if it is one.
fn add_rows(lead: &Touched<'_>, batch: &mut Batch) -> Result<Option<EventRecord>, RecordError> {
    let state = &lead.state;
    let sale = sale::conversion(state)?;
    let rows = rows::lead::rows(state)?;
    if let Some((offset, record)) = &lead.outcome
        && let Some(LeadBody::Outcome(outcome)) = &record.body
    {
        let (auction, pings) = rows::auction::outcome(*offset, record, outcome, state)?;
        batch.auctions.push(auction);
        batch.pings.extend(pings);
    }
    if let Some((lead, posts)) = rows {
        batch.leads.push(lead);
        batch.posts.extend(posts);
    }
    Ok(sale)
}

/// Gives every ended leg's reservation its final state. All of them and not only those that ended
/// just now: a crash between fold and settlement is healed by the replay.
async fn settle<B: Backend>(backend: &B, state: &LeadState) -> Result<(), StoreError> {
    let lead = state.lead_id()?;
    for leg in state.legs.iter().filter(|leg| !leg.contract.is_empty()) {
        let settlement = match leg.leg_state()? {
            LegState::Accepted => Settlement::Accepted,
            LegState::Rejected => Settlement::Rejected,
            LegState::Posting | LegState::InDoubt => continue,
        };
        backend
            .caps()
            .settle(&leg.reservation(lead)?, settlement)
            .await?;
    }
    Ok(())
}

/// Appends the conversions of sold leads; all are queued before the first is awaited.
async fn forward<B: Backend>(backend: &B, sales: &[EventRecord]) -> Result<(), StoreError> {
    let mut appends = Vec::with_capacity(sales.len());
    for sale in sales {
        let bytes = Bytes::from(sale.encode_to_vec());
        appends.push(
            backend
                .log()
                .append(Topic::Events, key::event(sale)?, bytes, Ack::Durable),
        );
    }
    for append in appends {
        append
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    }
    Ok(())
}
