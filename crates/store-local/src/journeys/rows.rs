//! Journeys on disk: rows of the cold tables, and items of a snapshot file, which hold the same.

use std::time::Duration;

use domain::{ClickId, Timestamp, VisitorId};
use proto::{JourneyState, Message, RecordError};
use store::{Identity, Node, StoreError};

use super::table::Generation;
use crate::cold::{self, Cold, Table};

/// Bytes that are handed to the disk at a time.
const BATCH: usize = 256 << 10;
/// What follows from a conversion may come so much later than all else of its journey.
const FOLLOWED: Duration = Duration::from_secs(90 * 86_400);
/// Bytes of the longest key: a kind, and what is of that kind.
const KEY: usize = 1 + 24;

/// A row's key, as the order of identities has it.
pub(super) fn place(identity: Identity) -> Vec<u8> {
    let (key, length) = key(identity);
    key.get(..length).unwrap_or(&key).to_vec()
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

/// A row's key, and its length.
fn key(identity: Identity) -> ([u8; KEY], usize) {
    let (kind, id) = match &identity {
        Identity::Visitor(visitor) => (cold::VISITOR, &visitor.as_bytes()[..]),
        Identity::Click(click) => (cold::CLICK, &click.as_bytes()[..]),
        Identity::Person(person) => (cold::PERSON, &person[..]),
        Identity::Key(key) => (cold::KEY, &key[..]),
    };
    let mut key = [kind; KEY];
    for (to, from) in key.iter_mut().skip(1).zip(id) {
        *to = *from;
    }
    (key, 1 + id.len())
}

/// What is known of an identity.
pub(super) fn node(cold: &Cold, identity: Identity) -> Result<Option<Node>, StoreError> {
    let (key, length) = key(identity);
    let Some(row) = cold.get(Table::Journeys, key.get(..length).unwrap_or(&key))? else {
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
    let mut batch = cold.batch();
    // In the order of their keys: a row is then put in beside the one before, which is still in the cache.
    let mut clicks: Vec<_> = generation.clicks.iter().collect();
    clicks.sort_unstable();
    for (click, visitor) in clicks {
        batch.put(
            Table::Clicks,
            click.as_bytes(),
            now.plus(kept),
            visitor.as_bytes(),
        );
        if batch.bytes() >= BATCH {
            batch.write()?;
        }
    }
    let mut nodes: Vec<_> = generation.nodes.iter().collect();
    nodes.sort_by_cached_key(|(identity, _)| key(**identity));
    for (identity, node) in nodes {
        let mut until = Timestamp::from_micros(node.newest_us()).plus(kept);
        if node.has_converted() {
            until = until.plus(FOLLOWED);
        }
        if until < now {
            continue;
        }
        if let Identity::Visitor(visitor) = identity {
            for click in node.converted_clicks() {
                let visitor = visitor.as_bytes();
                batch.put(Table::Clicks, click.as_bytes(), until, visitor);
            }
        }
        let (key, length) = key(*identity);
        let key = key.get(..length).unwrap_or(&key);
        batch.put_made(Table::Journeys, key, until, |row| {
            node.encode(*identity, row)
        });
        if node.has_converted() {
            batch.put(Table::Converted, key, until, &[]);
        }
        if batch.bytes() >= BATCH {
            batch.write()?;
        }
    }
    batch.write()?;
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
    use crate::cold::Memory;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn who_has_converted_is_kept_for_what_may_follow() {
        let dir = tempfile::tempdir().unwrap();
        let clock = FakeClock::new(Timestamp::from_micros(1_800_000_000_000_000));
        let store_clock = StoreClock::new(clock.port());
        let now = store_clock.now();
        let memory = Memory {
            buffer: 1 << 20,
            cache: 1 << 20,
        };
        let cold = Cold::open(&dir.path().join("cold"), &store_clock, memory).unwrap();
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
