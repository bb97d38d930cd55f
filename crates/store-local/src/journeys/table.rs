//! Journeys in memory: who a click belongs to, and what is known of everybody.

use std::collections::{HashMap, HashSet};

use domain::{ClickId, Timestamp, VisitorId};
use proto::{JourneyBody, JourneyEntry};
use store::{Applied, Identity, JourneyUpdate, Limits, News, Node, Telling};

#[derive(Debug)]
pub(super) struct Table {
    nodes: HashMap<Identity, Node>,
    /// Whose click it is.
    clicks: HashMap<ClickId, VisitorId>,
    limits: Limits,
}

impl Table {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            nodes: HashMap::new(),
            clicks: HashMap::new(),
            limits,
        }
    }

    /// Applies the updates in this order; gives the journeys they belong to, each once, and what is
    /// to be told.
    pub(super) fn apply(&mut self, updates: Vec<JourneyUpdate>) -> Applied {
        let mut touched = Vec::with_capacity(updates.len());
        let mut applied = Applied::default();
        for update in updates {
            let JourneyUpdate {
                identity,
                ts_us,
                news,
            } = update;
            let identity = self.resolve(identity);
            if let (Identity::Visitor(visitor), News::Event(entry)) = (identity, &news)
                && let Some(click) = touched_click(entry)
            {
                self.clicks.insert(click, visitor);
                let absorbed = self.absorb(identity, Identity::Click(click));
                applied.tellings.extend(absorbed);
            }
            let node = self.nodes.entry(identity).or_default();
            let tellings = node.learn(identity, ts_us, news, self.limits);
            applied.tellings.extend(tellings);
            touched.push(identity);
        }
        let mut seen = HashSet::new();
        for identity in touched {
            // A click that a later touch of the batch gave to a visitor is that visitor's.
            let identity = self.resolve(identity);
            if seen.insert(identity)
                && let Some(node) = self.nodes.get(&identity)
            {
                applied.journeys.push(node.journey(identity, self.limits));
            }
        }
        applied
    }

    fn resolve(&self, identity: Identity) -> Identity {
        match identity {
            Identity::Click(click) => match self.clicks.get(&click) {
                Some(visitor) => Identity::Visitor(*visitor),
                None => identity,
            },
            Identity::Visitor(_) | Identity::Person(_) | Identity::Key(_) => identity,
        }
    }

    /// Puts what waited under one identity into another's journey.
    fn absorb(&mut self, into: Identity, from: Identity) -> Vec<Telling> {
        let Some(waited) = self.nodes.remove(&from) else {
            return Vec::new();
        };
        let node = self.nodes.entry(into).or_default();
        node.absorb(into, waited, self.limits)
    }

    /// Forgets identities that heard of nothing since `before`, and their clicks.
    pub(super) fn forget(&mut self, before: Timestamp) {
        let clicks = &mut self.clicks;
        self.nodes.retain(|_, node| {
            let kept = node.newest_us() >= before.as_micros();
            if !kept {
                for click in node.own().filter_map(|entry| touched_click(&entry)) {
                    clicks.remove(&click);
                }
            }
            kept
        });
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Everything, for a snapshot.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Identity, &Node)> {
        self.nodes.iter()
    }

    /// An identity of a snapshot.
    pub(super) fn restore(&mut self, identity: Identity, node: Node) {
        if let Identity::Visitor(visitor) = identity {
            let clicks = node.own().filter_map(|entry| touched_click(&entry));
            self.clicks.extend(clicks.map(|click| (click, visitor)));
        }
        self.nodes.insert(identity, node);
    }
}

/// The click that a touch is.
fn touched_click(entry: &JourneyEntry) -> Option<ClickId> {
    let touch = matches!(entry.body, Some(JourneyBody::Touch(_)));
    let click: [u8; 24] = entry.click_id.as_slice().try_into().ok()?;
    touch.then(|| ClickId::from_bytes(click))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::TouchEntry;

    const VISITOR: Identity = Identity::Visitor(VisitorId::from_bytes([9; 24]));

    fn limits(entries: usize) -> Limits {
        Limits {
            entries,
            visitors: 10,
            ties: 100,
        }
    }

    fn touch(id: u8, ts_us: i64) -> JourneyUpdate {
        let entry = JourneyEntry {
            id: vec![id; 16],
            ts_us,
            click_id: vec![id; 24],
            body: Some(JourneyBody::Touch(TouchEntry::default())),
            ..JourneyEntry::default()
        };
        JourneyUpdate {
            identity: VISITOR,
            ts_us,
            news: News::Event(entry),
        }
    }

    #[test]
    fn a_full_journey_keeps_its_first_events_in_any_order_of_arrival() {
        let events = [touch(4, 40), touch(1, 10), touch(3, 30), touch(2, 20)];
        let kept = |order: [usize; 4]| {
            let mut table = Table::new(limits(3));
            for at in order {
                table.apply(vec![events[at].clone()]);
            }
            let (_, node) = table.iter().next().unwrap();
            let ids: Vec<u8> = node.own().map(|entry| entry.id[0]).collect();
            ids
        };
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 2, 0], [2, 0, 3, 1]] {
            assert_eq!(kept(order), [1, 2, 3], "{order:?}");
        }
    }

    #[test]
    fn an_old_journey_is_forgotten_and_its_clicks_with_it() {
        let mut table = Table::new(limits(10));
        table.apply(vec![touch(1, 10), touch(2, 20)]);
        let click = Identity::Click(ClickId::from_bytes([1; 24]));
        table.forget(Timestamp::from_micros(20));
        assert_eq!(table.resolve(click), VISITOR);
        table.forget(Timestamp::from_micros(21));
        assert_eq!(table.len(), 0);
        assert_eq!(table.resolve(click), click);
    }
}
