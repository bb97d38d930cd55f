//! SQL that clients of the embedded engine send: where an INSERT ends and its rows begin.

pub(crate) fn run(data: &[u8]) {
    engine::fuzzing::statement(data);
}
