//! Topic `events`: each event or refusal a row, the conversions of every journey it touched, and what
//! identities tell each other.

use std::collections::BTreeMap;

use proto::{EventBody, EventRecord, Message as _, RecordError};
use store::{Backend, Journeys as _, Record, StoreError, Topic};
use telemetry::Metrics;
use warehouse::Batch;

use crate::aside::step_aside;
use crate::journey::{self, Meaning};
use crate::notice::Standing;
use crate::rows::conversion::By;
use crate::{forward, letter, rows};

/// Records worked on at a time: what is made of them on the way stays in the processor's cache.
const SLICE: usize = 64;

/// Applies the records of one partition and adds their rows to `batch`. What is to be told is in the
/// log when this returns: only then may the records be committed. Returns the conversions that it
/// made rows of, as publishers see them.
pub(crate) async fn apply<B: Backend>(
    backend: &B,
    metrics: &Metrics,
    by: By<'_>,
    partition: u16,
    records: &[Record],
    batch: &mut Batch,
) -> Result<Vec<Standing>, StoreError> {
    // Of one that several slices touch, the last.
    let mut standings = BTreeMap::new();
    for slice in records.chunks(SLICE) {
        let mut all = Meaning::default();
        for record in slice {
            if let Err(error) = read(record, batch, &mut all) {
                let letter = letter::dead(metrics, Topic::Events, partition, record, &error);
                batch.dead_letters.push(letter);
            }
        }
        let next = slice.last().map(|last| last.offset.saturating_add(1));
        let through = (partition, next.unwrap_or(0));
        let applied = backend.journeys().apply(all.updates, through).await?;
        let tellings = all.tellings.iter().chain(&applied.tellings);
        let told: Vec<EventRecord> = tellings.map(journey::told).collect();
        forward::events(backend, &told).await?;
        for journey in applied.journeys {
            let made = rows::conversion::rows(&journey, by)?;
            batch.conversions.extend(made.rows);
            batch.credits.extend(made.credits);
            let conversions = made.standings.into_iter();
            standings.extend(conversions.map(|it| (it.conversion().to_owned(), it)));
        }
        step_aside().await;
    }
    Ok(standings.into_values().collect())
}

/// Adds the row that a record has by itself, if it has one, and what it means.
fn read(record: &Record, batch: &mut Batch, all: &mut Meaning) -> Result<(), RecordError> {
    let event = EventRecord::decode(record.payload.clone())?;
    let meaning = journey::meaning(&event)?;
    match &event.body {
        // What identities tell each other is nobody else's.
        Some(EventBody::Told(_)) => {}
        Some(EventBody::Refused(refused)) => {
            batch.refusals.push(rows::refusal::row(&event, refused)?);
        }
        _ => batch
            .events
            .push(&rows::event::row(&event)?)
            .map_err(|_| RecordError::Field("row"))?,
    }
    all.updates.extend(meaning.updates);
    all.tellings.extend(meaning.tellings);
    Ok(())
}
