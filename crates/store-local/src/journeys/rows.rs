//! Journeys on disk: rows of the cold tables, and items of a snapshot file, which hold the same.

use std::time::Duration;

use domain::{ClickId, Timestamp, VisitorId};
use proto::{JourneyState, Message, RecordError};
use store::{Identity, Node, StoreError};

use super::table::Generation;
use crate::cold::{self, Cold, Table};

/// Bytes that are handed to the disk at a time.
const BATCH: usize = 256 << 10;
/// Bytes of the longest key: a kind, and what is of that kind.
const KEY: usize = 1 + 24;

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
    for (click, visitor) in &generation.clicks {
        batch.put(
            Table::Clicks,
            click.as_bytes(),
            now.plus(kept),
            visitor.as_bytes(),
        );
        if batch.bytes() >= BATCH {
            std::mem::replace(&mut batch, cold.batch()).write()?;
        }
    }
    for (identity, node) in &generation.nodes {
        let until = Timestamp::from_micros(node.newest_us()).plus(kept);
        if until < now {
            continue;
        }
        let (key, length) = key(*identity);
        let key = key.get(..length).unwrap_or(&key);
        batch.put(Table::Journeys, key, until, &item(*identity, node));
        if batch.bytes() >= BATCH {
            std::mem::replace(&mut batch, cold.batch()).write()?;
        }
    }
    batch.write()?;
    cold.persist()
}

/// As an item of a snapshot.
pub(super) fn item(identity: Identity, node: &Node) -> Vec<u8> {
    node.record(identity).encode_to_vec()
}

/// From an item of a snapshot.
pub(super) fn read(item: &[u8]) -> Result<(Identity, Node), RecordError> {
    Node::read(JourneyState::decode(item)?)
}
