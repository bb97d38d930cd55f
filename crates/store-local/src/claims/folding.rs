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
        // Only the worker folds, and only what has ended is past: nobody changes it meanwhile, though
        // the archive may take it.
        let past = match past {
            None if !known => self.archive.lead(lead)?,
            past => past,
        };
        let past = match past {
            Some(ended) => {
                let state = self.past.read(lead, self.partition(lead), &ended.records)?;
                Some((state, ended))
            }
            None => None,
        };
        let cut_off = matches!(past, Some((None, _)));
        let forgotten = !known && past.is_none();
        if (forgotten || cut_off) && self.floor.was_folded(partition, offset) {
            // Ended long ago and forgotten since: nothing of it counts again.
            let state = self.again.lock().fold(lead, offset, record)?;
            return Ok(Folded {
                state,
                changes: Vec::new(),
            });
        }
        let again = past.as_ref().is_some_and(|(_, it)| offset < it.applied);
        // Keys come before leads: what a `received` claims is looked at first.
        let mut fresh = Entry::new(LAPSED, None, None);
        let received = match (&past, &record.body) {
            _ if known || again => None,
            (Some((state, _)), _) => state.as_ref().and_then(|state| state.received.as_ref()),
            (None, Some(LeadBody::Received(received))) => Some(received),
            (None, _) => None,
        };
        if let Some(received) = received {
            self.claim(lead, &mut fresh, Claimed::by(received)?);
        }
        let mut leads = self.leads.shard(&lead);
        if known && !leads.contains_key(&lead) {
            // The archive took it meanwhile, and has it.
            drop(leads);
            return self.fold(offset, record);
        }
        let (before, mut records) = match (past, leads.get(&lead).map(|entry| &entry.fold)) {
            (Some((state, ended)), _) => (state.map(Arc::new), ended.records.into_vec()),
            (None, Some(Fold::Whole { state, records })) => {
                (Some(Arc::clone(state)), records.clone())
            }
            (None, _) => (None, Vec::new()),
        };
        let applied = before.as_ref().map_or(0, |state| state.applied);
        let was_over = before.as_deref().is_some_and(has_ended);
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
        } else if !was_over || entry.due.is_none() {
            self.expire_at(self.clock.now().plus(KEPT), lead, entry);
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
