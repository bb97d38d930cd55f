//! What crate `fuzz` tries on frames.

use crate::frame::{Decoded, Group, decode, encode};

/// Reads frames one after another: none reaches beyond the bytes, and one that reads is one that
/// was written.
///
/// # Panics
/// A promise is broken.
#[expect(clippy::panic, reason = "a broken promise ends the run that found it")]
pub fn frames(mut bytes: &[u8]) {
    let (lane, offset) = (3, 7);
    let mut written = Vec::new();
    encode(&mut written, lane, offset, Group::Last, bytes);
    match decode(&written) {
        Decoded::Frame(frame) => {
            assert_eq!((frame.lane, frame.offset), (lane, offset));
            assert_eq!(frame.size(), written.len());
        }
        other => panic!("what was written reads as {other:?}"),
    }
    while let Decoded::Frame(frame) = decode(bytes) {
        let Some((own, rest)) = bytes.split_at_checked(frame.size()) else {
            panic!("{frame:?} reaches beyond {} bytes", bytes.len());
        };
        let payload = own.get(crate::frame::HEADER..).unwrap_or_default();
        let mut again = Vec::new();
        encode(&mut again, frame.lane, frame.offset, frame.group, payload);
        assert_eq!(again, own);
        bytes = rest;
    }
}
