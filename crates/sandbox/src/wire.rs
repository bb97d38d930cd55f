//! The native buyer format: what a ping and a post look like, and the answers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A ping, or a post when it names a lead. Members a sandbox buyer does not need are skipped.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    #[serde(default)]
    pub(crate) ping_id: String,
    #[serde(default)]
    pub(crate) campaign: String,
    #[serde(default)]
    pub(crate) contract: String,
    #[serde(default)]
    pub(crate) tmax_ms: u32,
    #[serde(default)]
    pub(crate) test: bool,
    pub(crate) lead_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) price: Option<String>,
    #[serde(default)]
    pub(crate) lead: Map<String, Value>,
}

impl Request {
    /// A lead field as text; numbers and booleans as they are written.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        match self.lead.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }
}

/// A bid, or no bid with a reason.
#[derive(Debug, Serialize)]
pub(crate) struct PingAnswer<'a> {
    pub(crate) bid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bid_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'a str>,
}

/// What became of a post.
#[derive(Debug, Serialize)]
pub(crate) struct PostAnswer<'a> {
    pub(crate) status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'a str>,
}
