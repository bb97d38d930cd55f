//! One identity: what it knows, and what its conversions look back on. Pure; see the module above.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::{ClickId, VisitorId};
use litemap::LiteMap;
use proto::{JourneyBody, JourneyEntry};

use super::events::{Events, is_conversion};
use super::learn::{click_of, follows, order_of};
use super::set::Set;
use super::{Identity, Journey, Person};

/// How much an identity keeps. What is told beyond [`Limits::ties`] is not remembered: the bound of
/// memory, and where the order of arrival begins to matter.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most events of one origin.
    pub entries: usize,
    /// A person of more visitors links none.
    pub visitors: usize,
    /// Most persons, followers, and origins that are heard.
    pub ties: usize,
}

/// What is kept of one identity.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Node {
    pub(super) revision: u32,
    pub(super) newest_us: i64,
    pub(super) capped: bool,
    pub(super) own: Events,
    /// Most identities have none.
    pub(super) ties: Option<Box<Ties>>,
}

/// Most have one of each, and there are millions: sorted vectors, where a leaf of a tree has room for
/// eleven.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ties {
    pub(super) persons: Set<Person>,
    /// Clicks under which something had waited: what that made it tell is told again if they come again.
    pub(super) absorbed: Set<ClickId>,
    pub(super) followers: Set<Identity>,
    pub(super) heard: LiteMap<Identity, Heard>,
    pub(super) claims: LiteMap<ClickId, Place>,
    pub(super) lent: LiteMap<(Identity, ClickId), Loan>,
    /// Of an order that is one of its campaign: the reports with a click.
    pub(super) clicked: Events,
}

/// Event time and id.
pub(super) type Place = (i64, Vec<u8>);

/// What another identity told.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) touches: Events,
    pub(super) persons: Set<Person>,
    pub(super) parted: bool,
    /// Reports of conversions that are not ours and may come before ours.
    pub(super) beside: Events,
}

/// Reports of an order that count here if the best claim is ours.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Loan {
    pub(super) entries: Events,
    pub(super) best: Option<(Place, ClickId)>,
}

impl Node {
    /// The newest event time that it heard of.
    pub fn newest_us(&self) -> i64 {
        self.newest_us
    }

    /// Whether it has converted: what follows from that may come long after.
    pub fn has_converted(&self) -> bool {
        self.own.has_conversion()
    }

    /// The clicks that its conversions name.
    pub fn converted_clicks(&self) -> impl Iterator<Item = ClickId> {
        let conversions = self.own.conversions();
        conversions.filter_map(|report| click_of(&report.click_id))
    }

    /// Its own events.
    pub fn own(&self) -> impl Iterator<Item = JourneyEntry> {
        self.own.iter()
    }

    /// The journey of its conversions: without any it is empty.
    pub fn journey(&self, me: Identity, limits: Limits) -> Journey {
        let mut journey = Journey {
            identity: me,
            revision: self.revision,
            entries: Arc::default(),
            counted_by: self.best().map(|(_, click)| click),
            elsewhere: Vec::new(),
            beside: Arc::default(),
            capped: self.capped,
        };
        if !self.own.has_conversion() {
            return journey;
        }
        let Some(ties) = &self.ties else {
            journey.entries = self.own.iter().collect();
            return journey;
        };
        let mut touches = BTreeMap::new();
        let mut entries = BTreeMap::new();
        let place = |entry: &JourneyEntry| (entry.ts_us, entry.id.clone());
        let sort = |entry: JourneyEntry| (place(&entry), entry);
        touches.extend(self.own.touches().map(sort));
        for entry in self.own.rest() {
            match ties.counted_elsewhere(&entry) {
                Some(click) => journey.elsewhere.push((entry, click)),
                None => entries.extend([sort(entry)]),
            }
        }
        for origin in self.looks_at(me, ties) {
            if let Some(heard) = ties.heard.get(&origin) {
                touches.extend(heard.touches.iter().map(sort));
            }
        }
        for ((_, click), loan) in ties.lent.iter() {
            let lent = loan.entries.iter().map(|mut entry| {
                entry.click_id = click.as_bytes().to_vec();
                entry
            });
            match &loan.best {
                // Before that click was known, what follows may have been counted here.
                Some((_, best)) if best != click => {
                    let lent = lent.filter(follows).map(|entry| (entry, *best));
                    journey.elsewhere.extend(lent);
                }
                _ => entries.extend(lent.map(sort)),
            }
        }
        journey.capped |= touches.len() > limits.entries;
        entries.extend(touches.into_iter().take(limits.entries));
        journey.entries = entries.into_values().collect();
        let beside = ties.heard.values().flat_map(|heard| heard.beside.iter());
        let beside: BTreeMap<_, _> = beside.map(sort).collect();
        journey.beside = beside.into_values().collect();
        journey
    }

    /// Whose touches its conversions look back on, besides its own.
    fn looks_at(&self, me: Identity, ties: &Ties) -> BTreeSet<Identity> {
        let persons = |persons: &Set<Person>| {
            let persons = persons.iter().copied().map(Identity::Person);
            persons.collect::<BTreeSet<_>>()
        };
        match me {
            Identity::Visitor(_) | Identity::Click(_) => persons(&ties.persons),
            // It owns no conversion.
            Identity::Person(_) => BTreeSet::new(),
            // The visitor that its first report names, else the persons that its reports name.
            Identity::Key(_) => match self.own.conversions().find_map(|it| named_visitor(&it)) {
                None => persons(&ties.persons),
                Some(visitor) => {
                    let visitor = Identity::Visitor(visitor);
                    let mut all = match ties.heard.get(&visitor) {
                        Some(heard) => persons(&heard.persons),
                        None => BTreeSet::new(),
                    };
                    all.insert(visitor);
                    all
                }
            },
        }
    }
}

impl Ties {
    /// The other click that a report counts for, of an order that is one of its campaign.
    fn counted_elsewhere(&self, report: &JourneyEntry) -> Option<ClickId> {
        let Some(JourneyBody::Conversion(said)) = &report.body else {
            return None;
        };
        if !said.campaign_txid {
            return None;
        }
        let (order, click) = (order_of(said)?, click_of(&report.click_id)?);
        let (_, best) = self.lent.get(&(order, click))?.best.as_ref()?;
        (*best != click).then_some(*best)
    }

    /// What an origin told; none if it is one too many.
    pub(super) fn heard(&mut self, from: Identity, limits: Limits) -> Option<&mut Heard> {
        if self.heard.len() >= limits.ties && !self.heard.contains_key(&from) {
            return None;
        }
        Some(self.heard.entry(from).or_default())
    }

    /// Whether too many visitors follow a person.
    pub(super) fn parted(&self, limits: Limits) -> bool {
        self.followers.iter().filter(|who| is_visitor(who)).count() > limits.visitors
    }
}

pub(super) fn is_visitor(who: &Identity) -> bool {
    matches!(who, Identity::Visitor(_))
}

/// The visitor that a report names.
pub(super) fn named_visitor(entry: &JourneyEntry) -> Option<VisitorId> {
    let visitor = entry.visitor.as_slice().try_into().ok()?;
    is_conversion(entry).then(|| VisitorId::from_bytes(visitor))
}
