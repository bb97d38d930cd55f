//! Journeys in memory: who a click belongs to, and what is known of everybody who was heard of lately.
//!
//! They are kept by generation. What is used is young. When a generation is closed it is old: it does not
//! change any more, so it can be written down while the next one grows, and when that is closed too its
//! place is on disk. A look-up goes from young to old to disk and makes what it finds young; so what is
//! behind may be out of date, and what is in front counts.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::ops::Bound;
use std::sync::Arc;

use domain::{ClickId, VisitorId};
use foldhash::{HashMap, HashMapExt as _};
use store::journeys::{Nodes, touched_click};
use store::{Anew, Applied, Identity, JourneyUpdate, Limits, Node, Place, StoreError};

use super::rows;
use crate::cold::Cold;

#[derive(Debug)]
pub(super) struct Table {
    young: Generation,
    behind: Behind,
    limits: Limits,
}

/// What was used while it was young.
#[derive(Debug, Default)]
pub(super) struct Generation {
    pub(super) nodes: HashMap<Identity, Node>,
    /// Whose click it is. Never without the visitor, in this generation or a younger one.
    pub(super) clicks: HashMap<ClickId, VisitorId>,
    /// Those that have converted, by place ([`rows::place`]).
    pub(super) converted: BTreeSet<Vec<u8>>,
}

/// What is not young.
#[derive(Debug)]
struct Behind {
    old: Arc<Generation>,
    /// None in memory mode, where nothing ever grows old.
    cold: Option<Cold>,
}

impl Behind {
    fn node(&self, identity: Identity) -> Result<Option<Node>, StoreError> {
        if let Some(node) = self.old.nodes.get(&identity) {
            return Ok(Some(node.clone()));
        }
        let cold = self.cold.as_ref();
        cold.map_or(Ok(None), |cold| rows::node(cold, identity))
    }

    fn click(&self, click: ClickId) -> Result<Option<VisitorId>, StoreError> {
        if let Some(visitor) = self.old.clicks.get(&click) {
            return Ok(Some(*visitor));
        }
        let cold = self.cold.as_ref();
        cold.map_or(Ok(None), |cold| rows::click(cold, click))
    }
}

impl Table {
    /// Before this, everything is in `old` and `cold`.
    pub(super) fn new(limits: Limits, old: Generation, cold: Option<Cold>) -> Self {
        Self {
            young: Generation::default(),
            behind: Behind {
                old: Arc::new(old),
                cold,
            },
            limits,
        }
    }

    /// Applies the updates in this order; gives the journeys they belong to, each once, and what is
    /// to be told.
    ///
    /// # Errors
    /// The disk cannot be read. Some updates are applied then, and may be applied again.
    pub(super) fn apply(&mut self, updates: Vec<JourneyUpdate>) -> Result<Applied, StoreError> {
        let applied = store::journeys::apply(self, updates, self.limits)?;
        for journey in &applied.journeys {
            if journey.has_converted() {
                let place = rows::place(journey.identity);
                self.young.converted.insert(place);
            }
        }
        Ok(applied)
    }

    /// The next journeys with conversions behind a place, of those for which `wanted` holds, and where to go on: of
    /// `most` identities at most. They stay where they are: nobody has heard of them.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub(super) fn walk(
        &self,
        behind: &[u8],
        most: usize,
        wanted: impl Fn(&Identity) -> bool,
    ) -> Result<Anew, StoreError> {
        let mut places = BTreeSet::new();
        let mut last: Option<Vec<u8>> = None;
        let range = (Bound::Excluded(behind.to_vec()), Bound::Unbounded);
        let (young, old) = (&self.young.converted, &self.behind.old.converted);
        let disk = match &self.behind.cold {
            Some(cold) => rows::converted(cold, behind, most)?,
            None => Vec::new(),
        };
        let memory = |of: &BTreeSet<Vec<u8>>| {
            let places = of.range(range.clone()).take(most);
            places.cloned().collect::<Vec<_>>()
        };
        for of in [memory(young), memory(old), disk] {
            // Behind where one of them was left there may be more of it.
            if of.len() == most {
                last = last.into_iter().chain(of.last().cloned()).min();
            }
            places.extend(of);
        }
        let next = last.clone().map_or(Place::End, Place::At);
        let within = places.into_iter();
        let within = within.take_while(|place| last.as_ref().is_none_or(|last| place <= last));
        let mut journeys = Vec::new();
        for place in within {
            let identity = rows::identity(&place)?;
            if !wanted(&identity) {
                continue;
            }
            if let Identity::Click(click) = identity
                && self.visitor(click)?.is_some()
            {
                // What waited for it is its visitor's by now.
                continue;
            }
            if let Some(node) = self.known(identity)? {
                journeys.push(node.journey(identity, self.limits));
            }
        }
        Ok(Anew { journeys, next })
    }

    fn known(&self, identity: Identity) -> Result<Option<Node>, StoreError> {
        match self.young.nodes.get(&identity) {
            Some(node) => Ok(Some(node.clone())),
            None => self.behind.node(identity),
        }
    }

    fn visitor(&self, click: ClickId) -> Result<Option<VisitorId>, StoreError> {
        match self.young.clicks.get(&click) {
            Some(visitor) => Ok(Some(*visitor)),
            None => self.behind.click(click),
        }
    }

    /// What is old: it does not change.
    pub(super) fn old(&self) -> Arc<Generation> {
        Arc::clone(&self.behind.old)
    }

    /// What was young is old, and what was old is gone: it is on disk. Gives it back, for it takes time
    /// to free.
    pub(super) fn turn(&mut self) -> Arc<Generation> {
        let next = self.young.as_large();
        let young = std::mem::replace(&mut self.young, next);
        std::mem::replace(&mut self.behind.old, Arc::new(young))
    }
}

impl Nodes for Table {
    type Error = StoreError;

    /// It is young from now on.
    fn node(&mut self, identity: Identity) -> Result<&mut Node, StoreError> {
        Ok(match self.young.nodes.entry(identity) {
            Entry::Occupied(young) => young.into_mut(),
            Entry::Vacant(place) => place.insert(self.behind.node(identity)?.unwrap_or_default()),
        })
    }

    /// A copy that is left behind is never asked for again.
    fn take(&mut self, identity: Identity) -> Result<Option<Node>, StoreError> {
        match self.young.nodes.remove(&identity) {
            None => self.behind.node(identity),
            young => Ok(young),
        }
    }

    fn whose(&mut self, click: ClickId) -> Result<Option<VisitorId>, StoreError> {
        let found = self.visitor(click)?;
        self.young.clicks.extend(found.map(|found| (click, found)));
        Ok(found)
    }

    fn belongs(&mut self, click: ClickId, visitor: VisitorId) {
        self.young.clicks.insert(click, visitor);
    }
}

impl Generation {
    /// An empty one with room for as much as this one has: the next is about as large, and one that grows is copied
    /// over and over.
    fn as_large(&self) -> Self {
        Self {
            nodes: HashMap::with_capacity(self.nodes.len()),
            clicks: HashMap::with_capacity(self.clicks.len()),
            converted: BTreeSet::new(),
        }
    }

    /// An identity of a snapshot, and its clicks.
    pub(super) fn restore(&mut self, identity: Identity, node: Node) {
        if let Identity::Visitor(visitor) = identity {
            let clicks = node.own().filter_map(|entry| touched_click(&entry));
            self.clicks.extend(clicks.map(|click| (click, visitor)));
        }
        if node.has_converted() {
            self.converted.insert(rows::place(identity));
        }
        self.nodes.insert(identity, node);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proto::{Conversion, JourneyBody, JourneyEntry, TouchEntry};
    use store::News;

    use super::*;

    const VISITOR: Identity = Identity::Visitor(VisitorId::from_bytes([9; 24]));

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
    fn what_a_click_brings_to_light_is_told_again_when_it_comes_again() {
        let limits = Limits {
            entries: 10,
            visitors: 3,
            ties: 10,
        };
        let (clicked, person) = (touch(1, 10), [7; 16]);
        let click = Identity::Click(ClickId::from_bytes([1; 24]));
        let order = JourneyEntry {
            id: vec![2; 16],
            ts_us: 20,
            click_id: vec![1; 24],
            body: Some(JourneyBody::Conversion(Conversion {
                txid: "order".to_owned(),
                ..Conversion::default()
            })),
            ..JourneyEntry::default()
        };
        let waits = [News::Event(order), News::Person(person)].map(|news| JourneyUpdate {
            identity: click,
            ts_us: 20,
            news,
        });
        let mut table = Table::new(limits, Generation::default(), None);
        let mut told = |updates: Vec<JourneyUpdate>| {
            let applied = table.apply(updates).unwrap();
            let said = applied.tellings.into_iter();
            said.map(|it| (it.to, format!("{:?}", it.what)))
                .collect::<HashSet<_>>()
        };
        told(waits.to_vec());
        let first = told(vec![clicked.clone()]);
        assert!(first.iter().any(|(to, _)| *to == Identity::Person(person)));
        assert!(first.iter().any(|(to, _)| matches!(to, Identity::Key(_))));
        assert_eq!(told(vec![clicked]), first);
        assert_eq!(told(vec![touch(3, 30), touch(3, 30)]).len(), 1);
    }

    #[test]
    fn a_full_journey_keeps_its_first_events_in_any_order_of_arrival() {
        let events = [touch(4, 40), touch(1, 10), touch(3, 30), touch(2, 20)];
        let limits = Limits {
            entries: 3,
            visitors: 10,
            ties: 100,
        };
        let kept = |order: [usize; 4]| {
            let mut table = Table::new(limits, Generation::default(), None);
            for at in order {
                table.apply(vec![events[at].clone()]).unwrap();
            }
            let node = table.node(VISITOR).unwrap();
            let ids: Vec<u8> = node.own().map(|entry| entry.id[0]).collect();
            ids
        };
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 2, 0], [2, 0, 3, 1]] {
            assert_eq!(kept(order), [1, 2, 3], "{order:?}");
        }
    }
}
