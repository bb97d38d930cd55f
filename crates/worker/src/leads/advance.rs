//! What a record sets in motion: its fold, the settlement of caps, and the conversion that a sale is.

use std::collections::BTreeMap;

use proto::LeadState;
use store::{Backend, Caps as _, Record, StoreError};

use super::{Subject, fold, readable};
use crate::{forward, sale};

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
    forward::events(backend, &sales).await
}

/// Gives every ended leg's reservation its final state. All of them and not only those that ended
/// just now: a crash between fold and settlement is healed by the replay.
async fn settle<B: Backend>(backend: &B, state: &LeadState) -> Result<(), StoreError> {
    let lead = state.lead_id()?;
    for leg in state.legs.iter().filter(|leg| !leg.contract.is_empty()) {
        let Some(usage) = leg.usage()? else {
            continue;
        };
        let reservation = leg.reservation(lead)?;
        backend.caps().settle(&reservation, usage).await?;
    }
    Ok(())
}
