//! What a record sets in motion: its fold, the settlement of caps, and the conversion that a sale is.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::{LegState, Settlement};
use proto::{EventRecord, LeadState, Message as _};
use store::{Ack, Backend, Caps as _, EventLog, Record, StoreError, Topic, key};

use super::{Subject, fold, readable};
use crate::sale;

/// Advances the leads of these records of one partition. What cannot be read is stepped over here and
/// kept by [`super::tables`].
pub(crate) async fn advance<B: Backend>(backend: &B, records: &[Record]) -> Result<(), StoreError> {
    let mut touched = BTreeMap::new();
    for record in records {
        if let Some((_, Subject::Lead(lead, state))) = readable(fold(backend, record).await)? {
            touched.insert(lead, state);
        }
    }
    let mut sales = Vec::new();
    for state in touched.values() {
        readable(settle(backend, state).await)?;
        sales.extend(sale::conversion(state).ok().flatten());
    }
    forward(backend, &sales).await
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
        let reservation = leg.reservation(lead)?;
        backend.caps().settle(&reservation, settlement).await?;
    }
    Ok(())
}

/// Appends the conversions of sold leads; all are queued before the first is awaited.
async fn forward<B: Backend>(backend: &B, sales: &[EventRecord]) -> Result<(), StoreError> {
    let mut appends = Vec::with_capacity(sales.len());
    for sale in sales {
        let Some(key) = readable(key::event(sale).map_err(StoreError::from))? else {
            continue;
        };
        let bytes = Bytes::from(sale.encode_to_vec());
        appends.push(
            backend
                .log()
                .append(Topic::Events, key, bytes, Ack::Durable),
        );
    }
    for append in appends {
        append
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    }
    Ok(())
}
