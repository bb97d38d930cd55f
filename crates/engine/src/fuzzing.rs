//! What crate `fuzz` tries on statements.

use crate::statement::{Head, head, output_format};

/// Reads the head of a text that is still arriving, a piece more each time: what was said of less
/// of it stays said, and rows begin inside of it.
///
/// # Panics
/// A promise is broken.
pub fn statement(text: &[u8]) {
    let whole = head(text, true);
    assert_ne!(whole, Head::Incomplete, "the whole text is not enough");
    let _ = output_format(text);
    let step = (text.len() / 16).max(1);
    for end in (0..text.len()).step_by(step) {
        let said = head(text.get(..end).unwrap_or_default(), false);
        if let Head::Insert(insert) = &said {
            assert!(insert.data <= end, "rows begin beyond what has arrived");
        }
        if said != Head::Incomplete {
            assert_eq!(said, whole, "said after {end} of {} bytes", text.len());
            return;
        }
    }
}
