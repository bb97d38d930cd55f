//! Rows of conversions and of who gets credit for them.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Money, Time};

/// A conversion. What it was before is in parallel arrays, one place a version.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct ConversionRow {
    pub conversion_id: String,
    pub campaign: String,
    pub goal: String,
    pub txid: String,
    pub click_id: String,
    pub visitor: String,
    pub lead_id: String,
    pub source: String,
    pub status: String,
    pub amount: Money,
    pub currency: String,
    pub payee: String,
    pub payout: Money,
    pub due_at: Option<Time>,
    pub touches: u32,
    pub restated: u32,
    pub merged_into: String,
    pub flags: Vec<String>,
    #[serde(rename = "history.event_id")]
    pub said_by: Vec<String>,
    #[serde(rename = "history.ts")]
    pub said_at: Vec<Time>,
    #[serde(rename = "history.source")]
    pub said_from: Vec<String>,
    #[serde(rename = "history.status")]
    pub said_status: Vec<String>,
    #[serde(rename = "history.amount")]
    pub said_amount: Vec<Money>,
    pub ts: Time,
    pub version: u64,
}

/// A conversion's credit under one model: parallel arrays, one place per credited touch.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct CreditRow {
    pub conversion_id: String,
    pub model: String,
    pub campaign: String,
    pub goal: String,
    pub currency: String,
    pub ts: Time,
    pub touch: Vec<String>,
    pub publisher: Vec<String>,
    pub link: Vec<String>,
    pub share: Vec<u64>,
    pub value: Vec<Money>,
    pub version: u64,
}
