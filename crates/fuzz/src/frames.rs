//! Frames of a journal, as a damaged disk may give them back.

pub(crate) fn run(data: &[u8]) {
    journal::fuzzing::frames(data);
}
