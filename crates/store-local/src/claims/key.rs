//! Idempotency keys, which may be long, as a hash of fixed size.

use sha2::{Digest as _, Sha256};
use store::ClaimKey;

/// The first half of a key's SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyHash(pub(crate) [u8; 16]);

impl From<&ClaimKey> for KeyHash {
    fn from(key: &ClaimKey) -> Self {
        let whole: [u8; 32] = Sha256::digest(&key.0).into();
        let mut half = [0; 16];
        half.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        Self(half)
    }
}
