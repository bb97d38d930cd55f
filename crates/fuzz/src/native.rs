//! Blocks of format Native, as the embedded engine writes them: where each column ends.

pub(crate) fn run(data: &[u8]) {
    engine::fuzzing::native(data);
}
