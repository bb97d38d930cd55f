//! Journeys as items of a snapshot file.

use prost::Message;
use proto::{JourneyEntry, RecordError};
use store::Identity;

use super::table::Table;
use crate::snapshot::Content;

#[derive(Clone, PartialEq, Message)]
struct Item {
    #[prost(bytes = "vec", tag = "1")]
    visitor: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    click: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    #[prost(uint32, tag = "4")]
    revision: u32,
    #[prost(message, repeated, tag = "5")]
    entries: Vec<JourneyEntry>,
}

pub(super) fn of(table: &Table, through: Vec<u64>) -> Content {
    let items = table.iter().map(|(identity, revision, entries)| {
        let mut item = Item {
            revision,
            entries: entries.to_vec(),
            ..Item::default()
        };
        match identity {
            Identity::Visitor(visitor) => item.visitor = visitor.as_bytes().to_vec(),
            Identity::Click(click) => item.click = click.as_bytes().to_vec(),
            Identity::Key(key) => item.key = key.to_vec(),
        }
        item.encode_to_vec().into()
    });
    Content {
        items: items.collect(),
        through,
    }
}

/// Puts the items of a snapshot into an empty table.
pub(super) fn restore(content: &Content, table: &mut Table) -> Result<(), RecordError> {
    for item in &content.items {
        let item = Item::decode(item.clone())?;
        let visitor = item.visitor.as_slice().try_into();
        let click = item.click.as_slice().try_into();
        let key = item.key.as_slice().try_into();
        let identity = match (visitor, click, key) {
            (Ok(visitor), _, _) => Identity::Visitor(domain::VisitorId::from_bytes(visitor)),
            (_, Ok(click), _) => Identity::Click(domain::ClickId::from_bytes(click)),
            (_, _, Ok(key)) => Identity::Key(key),
            _ => return Err(RecordError::Field("identity")),
        };
        table.restore(identity, item.revision, item.entries);
    }
    Ok(())
}
