//! What comes in on a connection of the embedded ClickHouse: where its requests begin.

pub(crate) fn run(data: &[u8]) {
    engine::fuzzing::connection(data);
}
