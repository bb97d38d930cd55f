//! Sealed quotes that nobody sealed.

use std::sync::LazyLock;

use router::QuoteKey;

static KEY: LazyLock<QuoteKey> = LazyLock::new(|| QuoteKey::new([9; 32], 1));

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    assert!(!router::fuzzing::opens(&KEY, text), "a forged quote");
    // With the prefix and the head of a real one.
    assert!(
        !router::fuzzing::opens(&KEY, &format!("pq_AQAAAAE{text}")),
        "a forged quote"
    );
}
