//! Journeys in memory: who a click belongs to, and everybody's events in order.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{ClickId, Timestamp, VisitorId};
use proto::{JourneyBody, JourneyEntry, Message};
use store::{Identity, Journey, JourneyUpdate};

#[derive(Debug, Default, Clone)]
struct Known {
    revision: u32,
    entries: Arc<[JourneyEntry]>,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    journeys: HashMap<Identity, Known>,
    /// Whose click it is.
    clicks: HashMap<ClickId, VisitorId>,
    /// Most events of one journey: the smallest by (event time, id) are kept, in any order of arrival.
    most_entries: usize,
}

impl Table {
    pub(super) fn new(most_entries: usize) -> Self {
        Self {
            most_entries,
            ..Self::default()
        }
    }

    /// Inserts the events in this order; gives the journeys they belong to, each once.
    pub(super) fn apply(&mut self, updates: Vec<JourneyUpdate>) -> Vec<Journey> {
        let mut touched = Vec::with_capacity(updates.len());
        for JourneyUpdate { identity, entry } in updates {
            let identity = self.resolve(identity);
            if let (Identity::Visitor(visitor), Some(click)) = (identity, touched_click(&entry)) {
                self.clicks.insert(click, visitor);
                self.absorb(identity, Identity::Click(click));
            }
            let known = self.journeys.entry(identity).or_default();
            if let Some(entries) = with(&known.entries, entry, self.most_entries) {
                known.entries = entries;
                known.revision = known.revision.saturating_add(1);
            }
            touched.push(identity);
        }
        let mut journeys: Vec<Journey> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for identity in touched {
            // A click that a later touch of the batch gave to a visitor is that visitor's.
            let identity = self.resolve(identity);
            if seen.insert(identity) {
                journeys.extend(self.get(identity));
            }
        }
        journeys
    }

    fn get(&self, identity: Identity) -> Option<Journey> {
        let known = self.journeys.get(&identity)?;
        Some(Journey {
            identity,
            revision: known.revision,
            entries: Arc::clone(&known.entries),
        })
    }

    fn resolve(&self, identity: Identity) -> Identity {
        match identity {
            Identity::Click(click) => match self.clicks.get(&click) {
                Some(visitor) => Identity::Visitor(*visitor),
                None => identity,
            },
            Identity::Visitor(_) | Identity::Key(_) => identity,
        }
    }

    /// Puts what waited under one identity into another's journey.
    fn absorb(&mut self, into: Identity, from: Identity) {
        let Some(waited) = self.journeys.remove(&from) else {
            return;
        };
        let known = self.journeys.entry(into).or_default();
        known.revision = known.revision.max(waited.revision).saturating_add(1);
        for entry in waited.entries.iter() {
            if let Some(entries) = with(&known.entries, entry.clone(), self.most_entries) {
                known.entries = entries;
            }
        }
    }

    /// Forgets journeys whose last event is older than `before`, and the clicks in them.
    pub(super) fn forget(&mut self, before: Timestamp) {
        let clicks = &mut self.clicks;
        self.journeys.retain(|_, known| {
            let newest = known.entries.last().map_or(i64::MIN, |entry| entry.ts_us);
            let kept = newest >= before.as_micros();
            if !kept {
                for click in known.entries.iter().filter_map(touched_click) {
                    clicks.remove(&click);
                }
            }
            kept
        });
    }

    pub(super) fn len(&self) -> usize {
        self.journeys.len()
    }

    /// Everything, for a snapshot.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Identity, u32, &[JourneyEntry])> {
        self.journeys
            .iter()
            .map(|(identity, known)| (*identity, known.revision, &*known.entries))
    }

    /// A journey of a snapshot.
    pub(super) fn restore(
        &mut self,
        identity: Identity,
        revision: u32,
        entries: Vec<JourneyEntry>,
    ) {
        if let Identity::Visitor(visitor) = identity {
            let clicks = entries.iter().filter_map(touched_click);
            self.clicks.extend(clicks.map(|click| (click, visitor)));
        }
        let known = Known {
            revision,
            entries: entries.into(),
        };
        self.journeys.insert(identity, known);
    }
}

/// The click that a touch is.
fn touched_click(entry: &JourneyEntry) -> Option<ClickId> {
    let touch = matches!(entry.body, Some(JourneyBody::Touch(_)));
    let click: [u8; 24] = entry.click_id.as_slice().try_into().ok()?;
    touch.then(|| ClickId::from_bytes(click))
}

/// The events with one more; none if that changes nothing.
fn with(
    entries: &Arc<[JourneyEntry]>,
    entry: JourneyEntry,
    most: usize,
) -> Option<Arc<[JourneyEntry]>> {
    let known = entries.iter().position(|known| known.id == entry.id);
    if let Some(at) = known {
        // Of two versions of one event the smaller encoding is kept, whichever came first.
        let (was, new) = (entries[at].encode_to_vec(), entry.encode_to_vec());
        if was <= new {
            return None;
        }
    }
    let place = |entry: &JourneyEntry| (entry.ts_us, entry.id.clone());
    let at = entries.partition_point(|known| place(known) < place(&entry));
    if known.is_none() && entries.len() >= most && at >= most {
        return None;
    }
    let mut more: Vec<JourneyEntry> = Vec::with_capacity(entries.len() + 1);
    let others = |range: &[JourneyEntry]| {
        let others: Vec<_> = range
            .iter()
            .filter(|other| other.id != entry.id)
            .cloned()
            .collect();
        others
    };
    let (before, after) = entries.split_at(at);
    more.extend(others(before));
    let after = others(after);
    more.push(entry);
    more.extend(after);
    more.truncate(most);
    Some(more.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::TouchEntry;

    const VISITOR: Identity = Identity::Visitor(VisitorId::from_bytes([9; 24]));

    fn touch(id: u8, ts_us: i64) -> JourneyUpdate {
        let entry = JourneyEntry {
            id: vec![id; 16],
            ts_us,
            click_id: vec![id; 24],
            body: Some(JourneyBody::Touch(TouchEntry::default())),
            ..JourneyEntry::default()
        };
        let identity = VISITOR;
        JourneyUpdate { identity, entry }
    }

    #[test]
    fn a_full_journey_keeps_its_first_events_in_any_order_of_arrival() {
        let events = [touch(4, 40), touch(1, 10), touch(3, 30), touch(2, 20)];
        let kept = |order: [usize; 4]| {
            let mut table = Table::new(3);
            for at in order {
                table.apply(vec![events[at].clone()]);
            }
            let last = table.apply(vec![events[1].clone()]);
            let ids: Vec<u8> = last[0].entries.iter().map(|entry| entry.id[0]).collect();
            ids
        };
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 2, 0], [2, 0, 3, 1]] {
            assert_eq!(kept(order), [1, 2, 3], "{order:?}");
        }
    }

    #[test]
    fn an_old_journey_is_forgotten_and_its_clicks_with_it() {
        let mut table = Table::new(10);
        table.apply(vec![touch(1, 10), touch(2, 20)]);
        let click = Identity::Click(ClickId::from_bytes([1; 24]));
        table.forget(Timestamp::from_micros(20));
        assert_eq!(table.resolve(click), VISITOR);
        table.forget(Timestamp::from_micros(21));
        assert_eq!(table.len(), 0);
        assert_eq!(table.resolve(click), click);
    }
}
