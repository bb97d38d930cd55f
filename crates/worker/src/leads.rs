//! Topic `leads`, read twice: once to advance the leads, once for their rows.
//!
//! Advancing them must not wait for ClickHouse, because routers answer from the folded states.
//! Folding a record again changes nothing and gives the lead's state as it is by then, which is all
//! that rows need: neither reader has to know how far the other has come.

pub(crate) mod advance;
pub(crate) mod tables;

use std::sync::Arc;

use domain::LeadId;
use proto::{LeadBody, LeadRecord, LeadState, Message as _, RecordError};
use store::{Backend, Claims as _, Record, StoreError};

/// What a record is about.
enum Subject {
    /// A ping that was answered.
    Quote,
    /// A lead, and its state after the record or later.
    Lead(LeadId, Arc<LeadState>),
}

/// Reads a record and folds it. One that cannot be read is [`StoreError::Corrupt`].
async fn fold<B: Backend>(
    backend: &B,
    record: &Record,
) -> Result<(LeadRecord, Subject), StoreError> {
    let read = LeadRecord::decode(record.payload.clone()).map_err(RecordError::from)?;
    if matches!(read.body, Some(LeadBody::Quoted(_))) {
        return Ok((read, Subject::Quote));
    }
    let lead = read.lead_id()?;
    let state = backend.claims().fold(record.offset, &read).await?.state;
    Ok((read, Subject::Lead(lead, state)))
}

/// Nothing for what cannot be read; other errors stay.
fn readable<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(read) => Ok(Some(read)),
        Err(StoreError::Corrupt(_)) => Ok(None),
        Err(other) => Err(other),
    }
}
