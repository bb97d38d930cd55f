//! Click and visitor ids: a UUIDv7, 16 bits of the visitor's shard, and a short MAC.
//!
//! The shard lets a postback find its visitor's partition without a look-up; the MAC
//! (HMAC-SHA-256 cut to 48 bits) keeps a guessed id from entering somebody's journey.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{Entropy, Timestamp, id};

/// Text is no id minted with this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of ours")]
pub struct TrackError;

/// The key of the MACs, with the part of the work done that all of them share.
#[derive(Clone)]
pub struct TrackKey(Hmac<Sha256>);

impl TrackKey {
    /// From 32 secret bytes.
    pub fn new(key: [u8; 32]) -> Self {
        // A key that is shorter than a block is filled up with zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&key);
        Self(Hmac::new(&block.into()))
    }

    fn mac(&self, prefix: &str, body: &[u8]) -> Option<[u8; 6]> {
        let mut mac = self.0.clone();
        mac.update(prefix.as_bytes());
        mac.update(body);
        mac.finalize().into_bytes().first_chunk().copied()
    }
}

impl fmt::Debug for TrackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrackKey(..)")
    }
}

macro_rules! track_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 24]);

        impl $name {
            /// The id with these 16 bytes on a visitor's shard.
            fn seal(uuid: [u8; 16], shard: u16, key: &TrackKey) -> Self {
                let mut bytes = [0; 24];
                bytes[..16].copy_from_slice(&uuid);
                bytes[16..18].copy_from_slice(&shard.to_be_bytes());
                let mac = key.mac($prefix, &bytes[..18]).unwrap_or_default();
                bytes[18..].copy_from_slice(&mac);
                Self(bytes)
            }

            /// Reads the text form and checks the MAC.
            pub fn parse(text: &str, key: &TrackKey) -> Result<Self, TrackError> {
                let body = text.strip_prefix(concat!($prefix, "_")).ok_or(TrackError)?;
                let bytes = data_encoding::BASE64URL_NOPAD.decode(body.as_bytes()).map_err(|_| TrackError)?;
                let bytes: [u8; 24] = bytes.try_into().map_err(|_| TrackError)?;
                let mac = key.mac($prefix, &bytes[..18]).ok_or(TrackError)?;
                if bool::from(mac.ct_eq(&bytes[18..])) { Ok(Self(bytes)) } else { Err(TrackError) }
            }

            /// From the bytes of a record of the log, which were checked before they got there.
            pub const fn from_bytes(bytes: [u8; 24]) -> Self {
                Self(bytes)
            }

            /// Its 24 bytes.
            pub const fn as_bytes(&self) -> &[u8; 24] {
                &self.0
            }

            /// Its text form, in one piece.
            pub fn text(&self) -> String {
                let mut text = String::with_capacity(concat!($prefix, "_").len() + 32);
                text.push_str(concat!($prefix, "_"));
                data_encoding::BASE64URL_NOPAD.encode_append(&self.0, &mut text);
                text
            }

            /// The visitor's shard.
            pub fn shard(&self) -> u16 {
                u16::from_be_bytes([self.0[16], self.0[17]])
            }

            /// When it was minted.
            pub fn time(&self) -> Timestamp {
                let mut uuid = [0; 16];
                uuid.copy_from_slice(&self.0[..16]);
                id::uuid_time(&uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 32];
                data_encoding::BASE64URL_NOPAD.encode_mut(&self.0, &mut text);
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }
    )*};
}

track_ids! {
    /// A visitor, as the first-party cookie names one.
    VisitorId = "vs",
    /// A click, as `{click_id}` hands it to a landing page.
    ClickId = "ck",
}

impl VisitorId {
    /// A new visitor; its shard is drawn with it.
    pub fn mint(at: Timestamp, entropy: &dyn Entropy, key: &TrackKey) -> Self {
        let shard = entropy.next_u64().to_le_bytes();
        Self::seal(
            id::uuid_v7(at, entropy),
            u16::from_le_bytes([shard[0], shard[1]]),
            key,
        )
    }
}

impl VisitorId {
    /// The visitor whom a keyed hash of somebody's own name for them stands for: the same hash is
    /// the same visitor, on the same shard.
    pub fn derive(hash: [u8; 16], key: &TrackKey) -> Self {
        let shard = u16::from_be_bytes([hash[14], hash[15]]);
        Self::seal(hash, shard, key)
    }
}

impl ClickId {
    /// The click that an event with this id is, of a visitor: the same event is the same click.
    pub fn derive(event: [u8; 16], visitor: &VisitorId, key: &TrackKey) -> Self {
        Self::seal(event, visitor.shard(), key)
    }

    /// A new click of a visitor, on that visitor's shard.
    pub fn mint(at: Timestamp, entropy: &dyn Entropy, visitor: &VisitorId, key: &TrackKey) -> Self {
        Self::seal(id::uuid_v7(at, entropy), visitor.shard(), key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(std::sync::atomic::AtomicU8);
    impl Entropy for Count {
        fn fill(&self, out: &mut [u8]) {
            for byte in out {
                *byte = self.0.fetch_add(37, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn a_click_keeps_its_visitors_shard_and_refuses_forgery() {
        let (key, entropy) = (TrackKey::new([7; 32]), Count(1.into()));
        let visitor = VisitorId::mint(Timestamp::from_micros(5_000_000), &entropy, &key);
        let click = ClickId::mint(Timestamp::from_micros(6_000_000), &entropy, &visitor, &key);
        assert_eq!(click.shard(), visitor.shard());
        let text = click.to_string();
        assert_eq!(ClickId::parse(&text, &key), Ok(click));
        assert_eq!(
            ClickId::parse(&text, &TrackKey::new([8; 32])),
            Err(TrackError)
        );
        assert_eq!(
            VisitorId::parse(&text.replace("ck_", "vs_"), &key),
            Err(TrackError)
        );
        assert_eq!(ClickId::parse("ck_", &key), Err(TrackError));
    }
}
