//! API keys: stored as SHA-256, found by digest.

use std::fmt;

use domain::{BuyerName, CampaignName, PublisherName};
use sha2::{Digest, Sha256};

/// SHA-256 of a key. A key is random enough that its hash needs no salt, and looking a digest up
/// in a map tells nothing about the keys in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(pub [u8; 32]);

impl KeyDigest {
    /// The digest of a key in clear.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(..)")
    }
}

/// Whose key it is, and with that its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Posts leads, owns links.
    Publisher(PublisherName),
    /// Buys leads.
    Buyer(BuyerName),
    /// Runs the service.
    Admin,
    /// Reports conversions of a campaign.
    Advertiser(CampaignName),
}
