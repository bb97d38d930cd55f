//! Ids that are derived instead of minted: whoever derives one again gets the same.

use sha2::{Digest, Sha256};

/// A UUIDv8 (RFC 9562, 5.8): the first half of the SHA-256 over the rule's name and the parts, each
/// behind its length, so that no two lists of parts read alike.
pub fn derive(rule: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in std::iter::once(rule.as_bytes()).chain(parts.iter().copied()) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(hash) {
        *to = from;
    }
    id[6] = (id[6] & 0x0f) | 0x80;
    id[8] = (id[8] & 0x3f) | 0x80;
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_eq!(derive("r", &[b"a", b"b"]), derive("r", &[b"a", b"b"]));
        assert_ne!(derive("r", &[b"ab", b""]), derive("r", &[b"a", b"b"]));
        assert_ne!(derive("ra", &[b"b"]), derive("r", &[b"ab"]));
        assert_eq!(derive("r", &[])[6] >> 4, 8);
    }
}
