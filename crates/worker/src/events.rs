//! Topic `events`: each event or refusal a row, the conversions of every journey it touched, and what
//! identities tell each other.

use proto::{EventBody, EventRecord, Message as _, RecordError};
use store::{Backend, Journeys as _, Record, StoreError, Topic};
use telemetry::Metrics;
use warehouse::{Batch, EventRow, RefusalRow};

use crate::journey::Meaning;
use crate::notice::Standing;
use crate::rows::conversion::By;
use crate::{forward, journey, letter, rows};

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
    let mut all = Meaning::default();
    batch.events.reserve(records.len());
    for record in records {
        match read(record) {
            Ok((row, meaning)) => {
                match row {
                    Row::Event(row) => batch.events.push(row),
                    Row::Refusal(row) => batch.refusals.push(row),
                    Row::None => {}
                }
                all.updates.extend(meaning.updates);
                all.tellings.extend(meaning.tellings);
            }
            Err(error) => {
                let letter = letter::dead(metrics, Topic::Events, partition, record, &error);
                batch.dead_letters.push(letter);
            }
        }
    }
    let Some(last) = records.last() else {
        return Ok(Vec::new());
    };
    let through = (partition, last.offset.saturating_add(1));
    let applied = backend.journeys().apply(all.updates, through).await?;
    let tellings = all.tellings.iter().chain(&applied.tellings);
    let told: Vec<EventRecord> = tellings.map(journey::told).collect();
    forward::events(backend, &told).await?;
    let mut standings = Vec::new();
    for journey in applied.journeys {
        let made = rows::conversion::rows(&journey, by)?;
        batch.conversions.extend(made.rows);
        batch.credits.extend(made.credits);
        standings.extend(made.standings);
    }
    Ok(standings)
}

/// The row that a record has by itself.
enum Row {
    Event(EventRow),
    Refusal(RefusalRow),
    /// What identities tell each other has none.
    None,
}

fn read(record: &Record) -> Result<(Row, Meaning), RecordError> {
    let event = EventRecord::decode(record.payload.clone())?;
    let meaning = journey::meaning(&event)?;
    let row = match &event.body {
        Some(EventBody::Told(_)) => Row::None,
        Some(EventBody::Refused(refused)) => Row::Refusal(rows::refusal::row(&event, refused)?),
        _ => Row::Event(rows::event::row(event)?),
    };
    Ok((row, meaning))
}
