//! How leads go: their state a minute after their end, and all of them after a day.

use domain::{LeadId, Timestamp};

use super::entry::{Entry, Fold, Keyed, Phase, Target, has_ended};
use super::expiry::{KEPT, WARM};
use super::{Inner, key_of};
use crate::past::last_leg;

impl Inner {
    /// Forgets a lead and what leads to it, if `may` still says so once everything is locked.
    fn forget(&self, lead: LeadId, may: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
        let (key, quote) = {
            let leads = self.leads.shard(&lead);
            let entry = leads.get(&lead)?;
            (entry.key, entry.quote)
        };
        let mut keys = key.as_ref().map(|key| self.keys.shard(key));
        let mut quotes = quote.as_ref().map(|quote| self.used_quotes.shard(quote));
        let mut leads = self.leads.shard(&lead);
        let entry = leads.get(&lead)?;
        if entry.key != key || entry.quote != quote || !may(entry) {
            return None;
        }
        if let (Some(keys), Some(key)) = (&mut keys, &key)
            && matches!(keys.get(key), Some(Keyed { target: Target::Lead(owner), .. }) if *owner == lead)
        {
            keys.remove(key);
        }
        if let (Some(quotes), Some(quote)) = (&mut quotes, &quote)
            && quotes.get(quote) == Some(&lead)
        {
            quotes.remove(quote);
        }
        let entry = leads.remove(&lead)?;
        entry.wake();
        Some(entry)
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

    /// Forgets a lead a day after its end, unless the worker has yet to see that.
    pub(super) fn expire(&self, lead: LeadId, now: Timestamp) {
        let mut later = false;
        let gone = self.forget(lead, |entry| {
            let ended_at = match (&entry.fold, entry.phase) {
                (Fold::Ended(ended), _) => ended.at,
                (Fold::Whole { state, .. }, _) if has_ended(state) => {
                    Timestamp::from_micros(state.ended_at_us)
                }
                // It comes back to the queue when it ends.
                (Fold::Whole { .. }, _) => return false,
                (Fold::Nothing, Phase::Admitted { lease }) => return lease <= now,
                (Fold::Nothing, _) => {
                    later = true;
                    return false;
                }
            };
            let seen = self.floor.passed(key_of(lead), entry.fold.applied());
            later = !seen;
            seen && ended_at.plus(KEPT) <= now
        });
        if later {
            self.expiring.push(now.plus(KEPT), lead);
        }
        let legs = match gone.map(|entry| entry.fold) {
            None => return,
            Some(Fold::Nothing) => return self.consumers.lock().forget(lead),
            Some(Fold::Ended(ended)) => ended.legs,
            Some(Fold::Whole { state, .. }) => last_leg(&state),
        };
        self.caps.forget(lead, legs);
    }

    pub(super) fn withdraw(&self, lead: LeadId) {
        let gone = self.forget(lead, |entry| {
            matches!(entry.phase, Phase::Admitted { .. }) && entry.fold.applied() == 0
        });
        if gone.is_some() {
            self.consumers.lock().forget(lead);
        }
    }
}
