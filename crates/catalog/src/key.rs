//! API keys: stored as SHA-256, found by digest.

use std::collections::HashMap;
use std::fmt;

use data_encoding::HEXLOWER;
use domain::{BuyerName, CampaignName, PublisherName};
use sha2::{Digest, Sha256};

use crate::reader::Cursor;

/// SHA-256 of a key. A key is random enough that its hash needs no salt, and looking a digest up
/// in a map tells nothing about the keys in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(pub [u8; 32]);

/// How digests are written.
const PREFIX: &str = "sha256:";

impl KeyDigest {
    /// The digest of a key in clear.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// From `sha256:` and 64 hex digits, or from a key in clear.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        match text.strip_prefix(PREFIX) {
            Some(hex) => HEXLOWER
                .decode(hex.as_bytes())
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .map(Self)
                .ok_or_else(|| "expected 64 lower-case hex digits after `sha256:`".to_owned()),
            None if text.len() < 16 => Err("a key has at least 16 characters".to_owned()),
            None => Ok(Self::of(text)),
        }
    }
}

impl fmt::Display for KeyDigest {
    /// `sha256:` and 64 hex digits, as in catalogs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", HEXLOWER.encode(&self.0))
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

/// Adds the keys of a list; a key of two owners is a problem.
pub(crate) fn add_keys(keys: &mut HashMap<KeyDigest, Owner>, list: &Cursor<'_>, owner: &Owner) {
    for item in list.items() {
        let Some(digest) = item.with(KeyDigest::read) else {
            continue;
        };
        if keys.insert(digest, owner.clone()).is_some() {
            item.complain::<()>("this key is listed twice: a key has one owner");
        }
    }
}
