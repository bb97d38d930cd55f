//! Records that follow from records: appended to topic `events` before what they follow from is
//! committed. Their ids derive from it, so a replay appends duplicates.

use bytes::Bytes;
use proto::{EventRecord, Message as _};
use store::{Ack, Backend, EventLog as _, StoreError, Topic, key};

/// Appends them in this order; all are queued before the first is awaited. One that cannot have a
/// place is left out: it could not be read either.
pub(crate) async fn events<B: Backend>(
    backend: &B,
    events: &[EventRecord],
) -> Result<(), StoreError> {
    let mut appends = Vec::with_capacity(events.len());
    for event in events {
        let Ok(key) = key::event(event) else {
            continue;
        };
        let bytes = Bytes::from(event.encode_to_vec());
        let log = backend.log();
        appends.push(log.append(Topic::Events, key, bytes, Ack::Durable));
    }
    for append in appends {
        append
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    }
    Ok(())
}
