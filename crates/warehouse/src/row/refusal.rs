//! Rows of refusals.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Time;

/// A publisher's request that became neither a quote nor a lead. What was wrong is in two arrays of
/// one length, the columns `issues.*`.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct RefusalRow {
    pub request_id: String,
    pub kind: String,
    pub campaign: String,
    pub publisher: String,
    pub publisher_lead_id: String,
    pub test: bool,
    pub code: String,
    pub status: u16,
    #[serde(rename = "issues.pointer")]
    pub pointer: Vec<String>,
    #[serde(rename = "issues.code")]
    pub issue: Vec<String>,
    pub issue_count: u32,
    pub refused_at: Time,
    pub version: u64,
}
