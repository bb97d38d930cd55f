//! What waits in a journal for Kafka: where it goes, and its bytes.
//!
//! ```text
//! 1   leads         8 bytes partition key, the record
//! 2   events        8 bytes partition key, the record
//! 3   vault        16 bytes lead, its wrapped key
//! ```

use bytes::{BufMut as _, Bytes, BytesMut};
use domain::LeadId;

const LEADS: u8 = 1;
const EVENTS: u8 = 2;
const VAULT: u8 = 3;

/// A record that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    Leads(u64, Bytes),
    Events(u64, Bytes),
    Vault(LeadId, Bytes),
}

impl Frame {
    pub(super) fn encode(&self) -> Bytes {
        let (Self::Leads(_, record) | Self::Events(_, record) | Self::Vault(_, record)) = self;
        let mut bytes = BytesMut::with_capacity(17 + record.len());
        match self {
            Self::Leads(key, _) => {
                bytes.put_u8(LEADS);
                bytes.put_u64(*key);
            }
            Self::Events(key, _) => {
                bytes.put_u8(EVENTS);
                bytes.put_u64(*key);
            }
            Self::Vault(lead, _) => {
                bytes.put_u8(VAULT);
                bytes.put_slice(lead.as_bytes());
            }
        }
        bytes.put_slice(record);
        bytes.freeze()
    }

    /// None for what this program did not write.
    pub(super) fn decode(bytes: &Bytes) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let from = |at: usize| bytes.slice(1 + at..);
        match *kind {
            VAULT => {
                let lead = LeadId::from_bytes(*rest.first_chunk()?);
                Some(Self::Vault(lead, from(16)))
            }
            LEADS | EVENTS => {
                let key = u64::from_be_bytes(*rest.first_chunk()?);
                Some(match *kind {
                    LEADS => Self::Leads(key, from(8)),
                    _ => Self::Events(key, from(8)),
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let record = || Bytes::from_static(b"record");
        for frame in [
            Frame::Leads(u64::MAX - 1, record()),
            Frame::Events(3, Bytes::new()),
            Frame::Vault(LeadId::from_bytes([7; 16]), record()),
        ] {
            assert_eq!(Frame::decode(&frame.encode()), Some(frame));
        }
        for bad in [&b""[..], b"\x01short", b"\x03too short", b"\x09123456789"] {
            assert_eq!(Frame::decode(&Bytes::from_static(bad)), None);
        }
    }
}
