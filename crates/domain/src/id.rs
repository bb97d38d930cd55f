//! Generated ids: 128 bits in UUIDv7 layout (time-ordered), written as a prefix and 32 hex digits.

use std::fmt;
use std::str::FromStr;

use crate::{Entropy, Timestamp};

/// Text is not an id of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_ and its digits")]
pub struct IdError {
    /// The prefix that was expected.
    pub prefix: &'static str,
}

/// A UUIDv7 (RFC 9562, 5.7): 48 bits of milliseconds, then random bits around version and variant.
pub(crate) fn uuid_v7(at: Timestamp, entropy: &dyn Entropy) -> [u8; 16] {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    let millis = u64::try_from(at.as_millis()).unwrap_or(0).to_be_bytes();
    for (to, from) in bytes.iter_mut().zip(&millis[2..]) {
        *to = *from;
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x70;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}

/// The time inside a UUIDv7.
pub(crate) fn uuid_time(bytes: &[u8; 16]) -> Timestamp {
    let mut millis = [0; 8];
    for (to, from) in millis[2..].iter_mut().zip(bytes) {
        *to = *from;
    }
    Timestamp::from_micros(
        i64::try_from(u64::from_be_bytes(millis))
            .unwrap_or(0)
            .saturating_mul(1000),
    )
}

/// Writes all digits at once: the worker writes several ids for each row.
fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8; 16]) -> fmt::Result {
    let mut text = [0; 32];
    data_encoding::HEXLOWER.encode_mut(bytes, &mut text);
    f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// What the text form begins with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id.
            pub fn mint(at: Timestamp, entropy: &dyn Entropy) -> Self {
                Self(uuid_v7(at, entropy))
            }

            /// From its 16 bytes, as in a record of the log.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Its 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Its text form, in one piece: the worker makes several for each row.
            pub fn text(&self) -> String {
                let mut text = String::with_capacity(concat!($prefix, "_").len() + 32);
                text.push_str(concat!($prefix, "_"));
                data_encoding::HEXLOWER.encode_append(&self.0, &mut text);
                text
            }

            /// When it was minted (meaningless for derived ids).
            pub fn time(&self) -> Timestamp {
                uuid_time(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                write_hex(f, &self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { prefix: $prefix };
                let hex = text.strip_prefix(concat!($prefix, "_")).ok_or(error)?;
                let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).map_err(|_| error)?;
                bytes.try_into().map(Self).map_err(|_| error)
            }
        }
    )*};
}

ids! {
    /// A lead: one post past admission.
    LeadId = "ld",
    /// A publisher's ping.
    AuctionId = "au",
    /// A ping to one buyer.
    BuyerPingId = "bp",
    /// An event of the tracking log.
    EventId = "ev",
    /// A conversion, derived from its key.
    ConversionId = "cv",
    /// What a publisher is told about a conversion, once.
    NoticeId = "nt",
}

/// A lead's leg as ids outside name it: the lead and the number of the leg, counted from 1.
macro_rules! leg_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// The lead.
            pub lead: LeadId,
            /// The leg's number, counted from 1.
            pub leg: u16,
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                write_hex(f, self.lead.as_bytes())?;
                write!(f, "{:04x}", self.leg)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { prefix: $prefix };
                let hex = text.strip_prefix(concat!($prefix, "_")).ok_or(error)?;
                let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).map_err(|_| error)?;
                let bytes: [u8; 18] = bytes.try_into().map_err(|_| error)?;
                let (lead, leg) = bytes.split_at(16);
                Ok(Self {
                    lead: LeadId(lead.try_into().map_err(|_| error)?),
                    leg: u16::from_be_bytes(leg.try_into().map_err(|_| error)?),
                })
            }
        }
    )*};
}

leg_ids! {
    /// A sale: one leg of a lead that was posted to a buyer.
    SaleId = "sl",
    /// The idempotency key a buyer is posted with; a repeated post of the same leg has the same.
    BuyerKey = "bk",
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;
    impl Entropy for Ones {
        fn fill(&self, out: &mut [u8]) {
            out.fill(0xff);
        }
    }

    #[test]
    fn an_id_reads_back_and_knows_its_time() {
        let at = Timestamp::from_micros(1_700_000_000_123_000);
        let id = LeadId::mint(at, &Ones);
        assert_eq!(id.to_string(), "ld_018bcfe5687b7fffbfffffffffffffff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.time(), at);
        assert!(
            "au_018bcfe5687b7fffbfffffffffffffff"
                .parse::<LeadId>()
                .is_err()
        );
        let sale = SaleId { lead: id, leg: 3 };
        assert_eq!(sale.to_string().parse(), Ok(sale));
    }
}
