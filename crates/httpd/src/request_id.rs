//! The id of a request, by which a client's question and a log line find each other.

use std::fmt;

use domain::Entropy;
use http::HeaderValue;

/// 96 random bits: `rq_` and 24 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; Self::LEN]);

impl RequestId {
    const LEN: usize = 3 + 24;

    /// A new one.
    pub fn mint(entropy: &dyn Entropy) -> Self {
        let mut random = [0; 12];
        entropy.fill(&mut random);
        let mut text = *b"rq_000000000000000000000000";
        data_encoding::HEXLOWER.encode_mut(&random, &mut text[3..]);
        Self(text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// As a header.
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static("rq_"))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
