//! Journeys on disk: rows of the cold tables, and items of a snapshot file, which hold the same.

use std::cmp::Reverse;
use std::time::Duration;

use domain::{ClickId, Timestamp, VisitorId};
use proto::{JourneyState, Message, RecordError};
use store::{Identity, Node, StoreError};

use super::table::Generation;
use crate::cold::{self, Cold, Table};

/// What follows from a conversion may come so much later than all else of its journey.
const FOLLOWED: Duration = Duration::from_secs(90 * 86_400);

/// A row's key, as the order of identities has it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    bytes: [u8; Self::LONGEST],
    length: usize,
}

impl Key {
    /// A kind, and what is of that kind.
    const LONGEST: usize = 1 + 24;

    fn of(identity: Identity) -> Self {
        let (kind, id) = match &identity {
            Identity::Visitor(visitor) => (cold::VISITOR, &visitor.as_bytes()[..]),
            Identity::Click(click) => (cold::CLICK, &click.as_bytes()[..]),
            Identity::Person(person) => (cold::PERSON, &person[..]),
            Identity::Key(key) => (cold::KEY, &key[..]),
        };
        let mut bytes = [kind; Self::LONGEST];
        for (to, from) in bytes.iter_mut().skip(1).zip(id) {
            *to = *from;
        }
        Self {
            bytes,
            length: 1 + id.len(),
        }
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

/// Where an identity is in a walk: its row's key.
pub(super) fn place(identity: Identity) -> Vec<u8> {
    Key::of(identity).as_ref().to_vec()
}

/// Whose a row is.
pub(super) fn identity(key: &[u8]) -> Result<Identity, StoreError> {
    let unknown = || RecordError::Field("key of a row").into();
    let Some((kind, id)) = key.split_first() else {
        return Err(unknown());
    };
    let id = match *kind {
        cold::VISITOR => (id.try_into()).map(|id| Identity::Visitor(VisitorId::from_bytes(id))),
        cold::CLICK => (id.try_into()).map(|id| Identity::Click(ClickId::from_bytes(id))),
        cold::PERSON => id.try_into().map(Identity::Person),
        cold::KEY => id.try_into().map(Identity::Key),
        _ => return Err(unknown()),
    };
    id.map_err(|_| unknown())
}

/// The next identities of disk that have converted, behind this place.
pub(super) fn converted(
    cold: &Cold,
    behind: &[u8],
    most: usize,
) -> Result<Vec<Vec<u8>>, StoreError> {
    cold.keys(Table::Converted, behind, most)
}

/// What is known of an identity.
pub(super) fn node(cold: &Cold, identity: Identity) -> Result<Option<Node>, StoreError> {
    let Some(row) = cold.get(Table::Journeys, Key::of(identity).as_ref())? else {
        return Ok(None);
    };
    let (_, node) = read(&row)?;
    Ok(Some(node))
}

/// Whose a click is.
pub(super) fn click(cold: &Cold, click: ClickId) -> Result<Option<VisitorId>, StoreError> {
    let Some(row) = cold.get(Table::Clicks, click.as_bytes())? else {
        return Ok(None);
    };
    let visitor = (*row).try_into();
    let visitor = visitor.map_err(|_| RecordError::Field("visitor of a click"))?;
    Ok(Some(VisitorId::from_bytes(visitor)))
}

/// Writes a generation down and syncs it. What nobody will ask for any more, at this time, is left out.
pub(super) fn write(
    cold: &Cold,
    generation: &Generation,
    now: Timestamp,
    kept: Duration,
) -> Result<(), StoreError> {
    let nodes = generation.nodes.iter().filter_map(|(identity, node)| {
        let mut until = Timestamp::from_micros(node.newest_us()).plus(kept);
        if node.has_converted() {
            until = until.plus(FOLLOWED);
        }
        (until >= now).then_some((*identity, node, until))
    });
    let mut nodes: Vec<_> = nodes.collect();
    nodes.sort_by_cached_key(|(identity, ..)| Key::of(*identity));
    let used = generation.clicks.iter();
    let used = used.map(|(click, visitor)| (*click, Reverse(now.plus(kept)), *visitor));
    let converted = nodes.iter().flat_map(|(identity, node, until)| {
        let visitor = match identity {
            Identity::Visitor(visitor) => Some(*visitor),
            Identity::Click(_) | Identity::Person(_) | Identity::Key(_) => None,
        };
        let clicks = visitor.map(|visitor| {
            let clicks = node.converted_clicks();
            clicks.map(move |click| (click, Reverse(*until), visitor))
        });
        clicks.into_iter().flatten()
    });
    let mut clicks: Vec<_> = used.chain(converted).collect();
    clicks.sort_unstable();
    // The one that is kept longest.
    clicks.dedup_by_key(|(click, ..)| *click);

    let clicks = clicks.iter().map(|(click, Reverse(until), visitor)| {
        let make = |row: &mut Vec<u8>| row.extend_from_slice(visitor.as_bytes());
        (click.as_bytes(), *until, make)
    });
    cold.put_sorted(Table::Clicks, clicks)?;
    let rows = nodes.iter().map(|(identity, node, until)| {
        let make = |row: &mut Vec<u8>| node.encode(*identity, row);
        (Key::of(*identity), *until, make)
    });
    cold.put_sorted(Table::Journeys, rows)?;
    nodes.retain(|(_, node, _)| node.has_converted());
    let rows = nodes.iter();
    let rows = rows.map(|(identity, _, until)| (Key::of(*identity), *until, |_: &mut Vec<u8>| ()));
    cold.put_sorted(Table::Converted, rows)?;
    cold.persist()
}

/// As an item of a snapshot.
pub(super) fn item(identity: Identity, node: &Node) -> Vec<u8> {
    let mut item = Vec::new();
    node.encode(identity, &mut item);
    item
}

/// From an item of a snapshot.
pub(super) fn read(item: &[u8]) -> Result<(Identity, Node), RecordError> {
    Node::read(JourneyState::decode(item)?)
}

#[cfg(test)]
mod tests {
    use proto::{Conversion, JourneyBody, JourneyEntry, TouchEntry};
    use store::{Limits, News};
    use testkit::FakeClock;

    use super::*;
    use crate::clock::StoreClock;
    use crate::cold::Sizes;
    use crate::options::LocalOptions;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn who_has_converted_is_kept_for_what_may_follow() {
        let dir = tempfile::tempdir().unwrap();
        let clock = FakeClock::new(Timestamp::from_micros(1_800_000_000_000_000));
        let store_clock = StoreClock::new(clock.port());
        let now = store_clock.now();
        let sizes = Sizes {
            many: 1,
            ..LocalOptions::default().cold()
        };
        let cold = Cold::open(&dir.path().join("cold"), &store_clock, sizes).unwrap();
        let limits = Limits {
            entries: 10,
            visitors: 2,
            ties: 10,
        };
        let (bought, looked) = (
            VisitorId::from_bytes([1; 24]),
            VisitorId::from_bytes([2; 24]),
        );
        let (its_click, other) = (ClickId::from_bytes([3; 24]), ClickId::from_bytes([4; 24]));
        let mut generation = Generation::default();
        for (visitor, clicked, converts) in [(bought, its_click, true), (looked, other, false)] {
            let entry = |n: u8, body| JourneyEntry {
                id: vec![n; 16],
                ts_us: now.as_micros(),
                click_id: clicked.as_bytes().to_vec(),
                body: Some(body),
                ..JourneyEntry::default()
            };
            let mut entries = vec![entry(1, JourneyBody::Touch(TouchEntry::default()))];
            if converts {
                entries.push(entry(2, JourneyBody::Conversion(Conversion::default())));
            }
            let (identity, mut node) = (Identity::Visitor(visitor), Node::default());
            for entry in entries {
                node.learn(identity, now.as_micros(), News::Event(entry), limits);
            }
            generation.nodes.insert(identity, node);
            generation.clicks.insert(clicked, visitor);
        }
        write(&cold, &generation, now, 44 * DAY).unwrap();
        for (days, known) in [
            (43, [true, true]),
            (90, [true, false]),
            (140, [false, false]),
        ] {
            clock.set_wall(now.plus(days * DAY));
            store_clock.now();
            let of = [bought, looked].map(|visitor| node(&cold, Identity::Visitor(visitor)));
            assert_eq!(of.map(|it| it.unwrap().is_some()), known, "{days}");
            let clicks = [its_click, other].map(|clicked| click(&cold, clicked).unwrap());
            assert_eq!(clicks.map(|it| it.is_some()), known, "{days}");
        }
    }
}
