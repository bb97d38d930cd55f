//! What a lead claims: its idempotency key, which may be long, as a hash of fixed size, and the quote
//! that it uses.

use domain::AuctionId;
use proto::{Received, RecordError};
use sha2::{Digest as _, Sha256};
use store::{ClaimKey, Digest};

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

/// What a lead's own record says that it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Claimed {
    pub(crate) key: Option<(KeyHash, Digest)>,
    pub(crate) quote: Option<AuctionId>,
}

impl Claimed {
    pub(crate) fn by(received: &Received) -> Result<Self, RecordError> {
        let key = received.claim.as_ref().map(|claim| {
            let key = KeyHash::from(&ClaimKey(claim.key.clone()));
            digest(&claim.digest).map(|digest| (key, digest))
        });
        Ok(Self {
            key: key.transpose()?,
            quote: received.auction_id()?,
        })
    }
}

pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, RecordError> {
    bytes.try_into().map_err(|_| RecordError::Field("digest"))
}
