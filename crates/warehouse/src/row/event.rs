//! Rows of what was logged: events, and what could not be read.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Money, Time};

/// An event. Columns that its kind does not have are empty.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct EventRow {
    pub event_id: String,
    pub kind: String,
    pub ts: Time,
    pub received_at: Time,
    pub visitor: String,
    pub click_id: String,
    pub campaign: String,
    pub publisher: String,
    pub link: String,
    pub offer: String,
    pub goal: String,
    pub txid: String,
    pub amount: Option<Money>,
    pub currency: String,
    pub status: String,
    pub source: String,
    pub parent: String,
    pub lead_id: String,
    pub person: Vec<String>,
    pub sub: Vec<(String, String)>,
    pub utm: Vec<(String, String)>,
    pub gclid: String,
    pub gbraid: String,
    pub wbraid: String,
    pub fbclid: String,
    pub fbc: String,
    pub fbp: String,
    pub ttclid: String,
    pub msclkid: String,
    pub landing: String,
    pub page: String,
    pub referrer: String,
    pub ip_prefix: String,
    pub ip_hash: String,
    pub device: String,
    pub os: String,
    pub flags: Vec<String>,
    pub skew_us: Option<i64>,
    pub version: u64,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
pub struct DeadLetterRow {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u16,
    /// Its place in the partition.
    pub offset: u64,
    /// What is wrong with it.
    pub error: String,
    /// Its bytes, in base64.
    pub payload: String,
}
