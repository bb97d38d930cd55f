//! Topic `events`: each event a row, and the conversions of every journey it touched.

use attribution::Windows;
use proto::{EventRecord, Message as _, RecordError};
use store::{Backend, JourneyUpdate, Journeys as _, Record, StoreError, Topic};
use telemetry::Metrics;
use warehouse::{Batch, EventRow};

use crate::{journey, letter, rows};

/// Applies the records of one partition and adds their rows to `batch`.
pub(crate) async fn apply<B: Backend>(
    backend: &B,
    metrics: &Metrics,
    windows: &Windows,
    partition: u16,
    records: &[Record],
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let mut updates = Vec::with_capacity(records.len());
    for record in records {
        match read(record) {
            Ok((row, update)) => {
                batch.events.push(row);
                updates.extend(update);
            }
            Err(error) => {
                let letter = letter::dead(metrics, Topic::Events, partition, record, &error);
                batch.dead_letters.push(letter);
            }
        }
    }
    let Some(last) = records.last() else {
        return Ok(());
    };
    let through = (partition, last.offset.saturating_add(1));
    for journey in backend.journeys().apply(updates, through).await? {
        let (conversions, credits) = rows::conversion::rows(&journey, windows)?;
        batch.conversions.extend(conversions);
        batch.credits.extend(credits);
    }
    Ok(())
}

fn read(record: &Record) -> Result<(EventRow, Option<JourneyUpdate>), RecordError> {
    let event = EventRecord::decode(record.payload.clone())?;
    Ok((rows::event::row(&event)?, journey::update(&event)?))
}
