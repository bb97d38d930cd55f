//! The rows of topic `leads`: leads, posts, auctions and pings.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::LeadId;
use parking_lot::Mutex;
use proto::{LeadBody, LeadRecord, LeadState, RecordError};
use store::{Backend, Record, StoreError, Topic};
use telemetry::Metrics;
use warehouse::Batch;

use super::{Subject, fold};
use crate::aside::step_aside;
use crate::{letter, rows};

/// A lead that records of this batch are about.
struct Touched<'a> {
    state: Arc<LeadState>,
    /// The last of them.
    last: &'a Record,
    /// The router's last word, if it is among them.
    outcome: Option<(u64, LeadRecord)>,
}

/// Adds the rows of these records of one partition to `batch`, which other partitions add theirs to meanwhile.
/// What cannot be read becomes a dead letter; an error means that a store could not answer, and that nothing is
/// lost by trying again.
pub(crate) async fn add<B: Backend>(
    backend: &B,
    metrics: &Metrics,
    partition: u16,
    records: &[Record],
    batch: &Mutex<&mut Batch>,
) -> Result<(), StoreError> {
    let dead = |record, error: &str| letter::dead(metrics, Topic::Leads, partition, record, &error);
    let mut touched = BTreeMap::new();
    for record in records {
        let folded = fold(backend, record).await;
        let noted =
            folded.and_then(|folded| Ok(note(folded, record, &mut batch.lock(), &mut touched)?));
        match noted {
            Err(StoreError::Corrupt(error)) => {
                batch.lock().dead_letters.push(dead(record, &error));
            }
            other => other?,
        }
        step_aside().await;
    }
    for lead in touched.values() {
        let added = lead.add_rows(&mut batch.lock());
        if let Err(error) = added {
            let letter = dead(lead.last, &error.to_string());
            batch.lock().dead_letters.push(letter);
        }
        step_aside().await;
    }
    Ok(())
}

/// Adds a quote's rows, or remembers the lead.
fn note<'a>(
    (read, subject): (LeadRecord, Subject),
    record: &'a Record,
    batch: &mut Batch,
    touched: &mut BTreeMap<LeadId, Touched<'a>>,
) -> Result<(), RecordError> {
    match (subject, &read.body) {
        (Subject::Quote, Some(LeadBody::Quoted(quoted))) => {
            let (auction, pings) = rows::auction::quoted(record.offset, &read, quoted)?;
            batch.auctions.push(auction);
            batch.pings.extend(pings);
        }
        (Subject::Quote, _) => {}
        (Subject::Lead(lead, state), body) => {
            let before = touched.remove(&lead).and_then(|touched| touched.outcome);
            let outcome = match body {
                // The first counts, as in the fold.
                Some(LeadBody::Outcome(_)) if before.is_none() => Some((record.offset, read)),
                _ => before,
            };
            let touch = Touched {
                state,
                last: record,
                outcome,
            };
            touched.insert(lead, touch);
        }
    }
    Ok(())
}

impl Touched<'_> {
    fn add_rows(&self, batch: &mut Batch) -> Result<(), RecordError> {
        let rows = rows::lead::rows(&self.state)?;
        if let Some((offset, record)) = &self.outcome
            && let Some(LeadBody::Outcome(outcome)) = &record.body
        {
            let (auction, pings) = rows::auction::outcome(*offset, record, outcome, &self.state)?;
            batch.auctions.push(auction);
            batch.pings.extend(pings);
        }
        if let Some((lead, posts)) = rows {
            batch.leads.push(lead);
            batch.posts.extend(posts);
        }
        Ok(())
    }
}
