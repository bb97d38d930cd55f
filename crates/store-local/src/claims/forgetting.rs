//! How leads go: their state a minute after their end, all of them some minutes later, once the
//! archive has them, and what it does not take after a day.

use std::collections::HashMap;

use domain::{AuctionId, LeadId, Timestamp};
use parking_lot::MutexGuard;

use super::consumers::Consumers;
use super::entry::{Entry, Fold, Keyed, Phase, Target, has_ended};
use super::expiry::{KEPT, WARM};
use super::key::KeyHash;
use super::{Inner, key_of};
use crate::past::{Ended, last_leg};

/// A lead and what leads to it, locked.
struct Locked<'a> {
    inner: &'a Inner,
    lead: LeadId,
    keys: Option<(KeyHash, MutexGuard<'a, HashMap<KeyHash, Keyed>>)>,
    consumers: MutexGuard<'a, Consumers>,
    quotes: Option<(AuctionId, MutexGuard<'a, HashMap<AuctionId, LeadId>>)>,
    leads: MutexGuard<'a, HashMap<LeadId, Entry>>,
}

impl Locked<'_> {
    fn entry(&mut self) -> Option<&mut Entry> {
        self.leads.get_mut(&self.lead)
    }

    /// Forgets it and what leads to it, but not its consumer.
    fn forget(&mut self) -> Option<Entry> {
        let lead = self.lead;
        if let Some((key, keys)) = &mut self.keys
            && matches!(keys.get(key), Some(Keyed { target: Target::Lead(owner), .. }) if *owner == lead)
        {
            keys.remove(key);
        }
        if let Some((quote, quotes)) = &mut self.quotes
            && quotes.get(quote) == Some(&lead)
        {
            quotes.remove(quote);
        }
        let entry = self.leads.remove(&lead)?;
        if let Some(due) = entry.due {
            self.inner.expiring.remove(due, lead);
        }
        entry.wake();
        Some(entry)
    }
}

impl Inner {
    /// Locks a lead that is in memory, and what leads to it.
    fn locked(&self, lead: LeadId) -> Option<Locked<'_>> {
        let claimed = |entry: &Entry| (entry.key, entry.quote);
        let (key, quote) = self.leads.shard(&lead).get(&lead).map(claimed)?;
        let locked = Locked {
            inner: self,
            lead,
            keys: key.map(|key| (key, self.keys.shard(&key))),
            consumers: self.consumers.lock(),
            quotes: quote.map(|quote| (quote, self.used_quotes.shard(&quote))),
            leads: self.leads.shard(&lead),
        };
        let same = locked.leads.get(&lead).map(claimed) == Some((key, quote));
        same.then_some(locked)
    }

    /// Has it looked at `due` whether the lead may be forgotten, and not before.
    pub(super) fn expire_at(&self, due: Timestamp, lead: LeadId, entry: &mut Entry) {
        if let Some(before) = entry.due.replace(due) {
            self.expiring.remove(before, lead);
        }
        self.expiring.push(due, lead);
    }

    /// Keeps of a lead that has ended only where its records are, once everybody has seen it.
    pub(super) fn cool(&self, lead: LeadId, now: Timestamp) {
        let mut leads = self.leads.shard(&lead);
        let Some(entry) = leads.get_mut(&lead) else {
            return;
        };
        let Some(state) = entry.fold.whole() else {
            return;
        };
        if !has_ended(state) || !self.past.keeps(state) {
            return;
        }
        if !self.floor.passed(key_of(lead), state.applied) {
            self.cooling.push(now.plus(WARM), lead);
        } else if let Some(ended) = entry.cool() {
            self.caps.close(lead, ended.legs);
        }
    }

    /// Takes from memory what the archive has of a lead: all of it, unless it has moved on since, and
    /// not its answer if that is not what the log says. Who waits looks again.
    pub(super) fn archived(&self, lead: LeadId, ended: &Ended) {
        let Some(mut locked) = self.locked(lead) else {
            return self.consumers.lock().forget(lead);
        };
        let Some(entry) = locked.entry() else {
            return;
        };
        if entry.fold.applied() != ended.applied {
            return;
        }
        entry.cool();
        if matches!(entry.fold, Fold::Ended(_)) {
            locked.forget();
            self.caps.forget(lead, ended.legs);
        }
        locked.consumers.forget(lead);
    }

    /// Forgets a lead a day after its end, unless the worker has yet to see that.
    pub(super) fn expire(&self, lead: LeadId, now: Timestamp) {
        let Some(mut locked) = self.locked(lead) else {
            return;
        };
        let Some(entry) = locked.entry() else {
            return;
        };
        let over = match (&entry.fold, entry.phase) {
            (Fold::Ended(ended), _) => Some(ended.at),
            (Fold::Whole { state, .. }, _) if has_ended(state) => {
                Some(Timestamp::from_micros(state.ended_at_us))
            }
            // It comes back to the list when it ends.
            (Fold::Whole { .. }, _) => return,
            (Fold::Nothing, Phase::Admitted { lease }) if lease > now => {
                return self.expire_at(lease.plus(KEPT), lead, entry);
            }
            (Fold::Nothing, Phase::Admitted { .. }) => None,
            (Fold::Nothing, _) => return self.expire_at(now.plus(KEPT), lead, entry),
        };
        let seen = self.floor.passed(key_of(lead), entry.fold.applied());
        match over {
            Some(_) if !seen => return self.expire_at(now.plus(KEPT), lead, entry),
            Some(at) if at.plus(KEPT) > now => {
                return self.expire_at(at.plus(KEPT), lead, entry);
            }
            Some(_) | None => {}
        }
        let legs = match locked.forget().map(|entry| entry.fold) {
            None => return,
            Some(Fold::Nothing) => return locked.consumers.forget(lead),
            Some(Fold::Ended(ended)) => ended.legs,
            Some(Fold::Whole { state, .. }) => last_leg(&state),
        };
        self.caps.forget(lead, legs);
    }

    pub(super) fn withdraw(&self, lead: LeadId) {
        let Some(mut locked) = self.locked(lead) else {
            return;
        };
        let unsaid = |entry: &mut Entry| {
            matches!(entry.phase, Phase::Admitted { .. }) && entry.fold.applied() == 0
        };
        if locked.entry().is_some_and(unsaid) {
            locked.forget();
            locked.consumers.forget(lead);
        }
    }
}
