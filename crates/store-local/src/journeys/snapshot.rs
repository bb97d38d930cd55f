//! Journeys as items of a snapshot file.

use proto::{JourneyState, Message, RecordError};
use store::Node;

use super::table::Table;
use crate::snapshot::Content;

pub(super) fn of(table: &Table, through: Vec<u64>) -> Content {
    let items = table
        .iter()
        .map(|(identity, node)| node.record(*identity).encode_to_vec().into());
    Content {
        items: items.collect(),
        through,
    }
}

/// Puts the items of a snapshot into an empty table.
pub(super) fn restore(content: &Content, table: &mut Table) -> Result<(), RecordError> {
    for item in &content.items {
        let (identity, node) = Node::read(JourneyState::decode(item.clone())?)?;
        table.restore(identity, node);
    }
    Ok(())
}
