//! Journeys as items of a snapshot file.

use proto::{JourneyState, Message, RecordError};
use store::Node;

use super::table::Table;

pub(super) fn of(table: &Table) -> impl Iterator<Item = Vec<u8>> {
    let items = table.iter();
    items.map(|(identity, node)| node.record(*identity).encode_to_vec())
}

/// Puts an item of a snapshot into a table.
pub(super) fn restore(item: &[u8], table: &mut Table) -> Result<(), RecordError> {
    let (identity, node) = Node::read(JourneyState::decode(item)?)?;
    table.restore(identity, node);
    Ok(())
}
