//! A record of the log comes to its lead.

use std::sync::Arc;

use proto::{LeadBody, LeadRecord};
use store::{Earlier, Folded, StoreError};

use super::entry::{Entry, Fold, has_ended};
use super::expiry::{KEPT, WARM};
use super::{Claimed, Inner, LAPSED, key_of};

impl Inner {
    pub(super) fn fold(&self, offset: u64, record: &LeadRecord) -> Result<Folded, StoreError> {
        let lead = record.lead_id()?;
        let partition = key_of(lead);
        let (known, past) = {
            let leads = self.leads.shard(&lead);
            let entry = leads.get(&lead);
            let past = entry.and_then(|entry| match &entry.fold {
                Fold::Ended(ended) => Some(ended.clone()),
                Fold::Nothing | Fold::Whole { .. } => None,
            });
            (entry.is_some(), past)
        };
        // Only the worker folds, and only what has ended is past: nobody changes it meanwhile.
        let past = match past {
            Some(ended) => {
                let state = self.past.read(lead, self.partition(lead), &ended.records)?;
                Some((state, ended))
            }
            None => None,
        };
        let cut_off = matches!(past, Some((None, _)));
        if (!known || cut_off) && self.floor.was_folded(partition, offset) {
            // Ended long ago and forgotten since: nothing of it counts again.
            let (state, _) = store::fold::apply(None, offset, record)?;
            return Ok(Folded {
                state: Arc::new(state),
                changes: Vec::new(),
            });
        }
        // Keys come before leads: what a `received` claims is looked at first.
        let mut fresh = Entry::new(LAPSED, None, None);
        if let (false, Some(LeadBody::Received(received))) = (known, &record.body) {
            self.claim(lead, &mut fresh, Claimed::by(received)?);
        }
        let mut leads = self.leads.shard(&lead);
        let (before, mut records) = match (past, leads.get(&lead).map(|entry| &entry.fold)) {
            (Some((state, ended)), _) => (state.map(Arc::new), ended.records.into_vec()),
            (None, Some(Fold::Whole { state, records })) => {
                (Some(Arc::clone(state)), records.clone())
            }
            (None, _) => (None, Vec::new()),
        };
        let applied = before.as_ref().map_or(0, |state| state.applied);
        let (state, changes) = store::fold::apply(before.as_deref().cloned(), offset, record)?;
        let state = Arc::new(state);
        self.floor.fold(partition, offset);
        if offset < applied {
            // Folded before: nothing is another.
            return Ok(Folded { state, changes });
        }
        records.push(offset);
        if state.received.is_none() && state.legs.is_empty() {
            // Nothing but a remark on a lead that is not known.
            return Ok(Folded { state, changes });
        }
        let entry = leads.entry(lead).or_insert(fresh);
        let partition = self.floor.partition(partition);
        if let Some(before) = before {
            self.open.remove(partition, &before, lead);
        }
        if !has_ended(&state) {
            self.open.insert(partition, &state, lead);
        } else if !entry.expiring {
            entry.expiring = true;
            self.expiring.push(self.clock.now().plus(KEPT), lead);
        }
        if has_ended(&state) {
            self.cooling.push(self.clock.now().plus(WARM), lead);
        }
        entry.set_state(Arc::clone(&state), records);
        drop(leads);
        // Before anybody who waits looks again.
        let now = self.clock.now();
        let earlier = Earlier::of(&state)?;
        self.consumers.lock().recorded(lead, earlier, now);
        if let Some(entry) = self.leads.shard(&lead).get(&lead) {
            entry.wake();
        }
        Ok(Folded { state, changes })
    }
}
