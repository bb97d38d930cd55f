//! Records that follow from records: appended to topic `events` before what they follow from is
//! committed. Their ids derive from it, so a replay appends duplicates.

use std::future::Future;

use bytes::Bytes;
use proto::{EventRecord, Message as _};
use store::{Ack, Backend, EventLog as _, LogError, Position, StoreError, Topic, key};

/// Appends them in this order; all are queued before the first is awaited.
pub(crate) async fn events<B: Backend>(
    backend: &B,
    events: &[EventRecord],
) -> Result<(), StoreError> {
    acknowledged(queue(backend, events)).await
}

/// Queues them in this order. One that cannot have a place is left out: it could not be read either.
pub(crate) fn queue<'b, B: Backend>(
    backend: &'b B,
    events: &[EventRecord],
) -> Vec<impl Future<Output = Result<Position, LogError>> + Send + use<'b, B>> {
    let mut queued = Vec::with_capacity(events.len());
    for event in events {
        let Ok(key) = key::event(event) else {
            continue;
        };
        let bytes = Bytes::from(event.encode_to_vec());
        let log = backend.log();
        queued.push(log.append(Topic::Events, key, bytes, Ack::Durable));
    }
    queued
}

/// Waits until all of them are in the log.
pub(crate) async fn acknowledged(
    queued: impl IntoIterator<Item = impl Future<Output = Result<Position, LogError>>>,
) -> Result<(), StoreError> {
    for append in queued {
        append
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    }
    Ok(())
}
