//! Rows of leads and auctions.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Money, Time};

/// A lead as it stands.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct LeadRow {
    pub lead_id: String,
    pub campaign: String,
    pub publisher: String,
    pub publisher_lead_id: String,
    pub kind: String,
    pub auction_id: String,
    pub click_id: String,
    pub test: bool,
    pub status: String,
    pub reason: String,
    pub payout: Money,
    pub revenue: Money,
    pub margin: Money,
    pub currency: String,
    pub buyer: String,
    pub contract: String,
    pub sale_id: String,
    pub posts: u16,
    pub sub: Vec<(String, String)>,
    pub fields: Vec<(String, String)>,
    pub generation: String,
    pub received_at: Time,
    pub ended_at: Option<Time>,
    pub took_us: i64,
    pub version: u64,
}

/// A post of a lead to a buyer.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct PostRow {
    pub sale_id: String,
    pub lead_id: String,
    pub leg: u16,
    pub campaign: String,
    pub publisher: String,
    pub contract: String,
    pub buyer: String,
    pub test: bool,
    pub price: Money,
    pub payout: Money,
    pub margin: Money,
    pub answered: Money,
    pub currency: String,
    pub state: String,
    pub reason: String,
    pub flags: Vec<String>,
    pub settled_by: String,
    pub reference: String,
    pub http_status: u16,
    pub received_at: Time,
    pub started_at: Time,
    pub ended_at: Option<Time>,
    pub took_us: i64,
    pub version: u64,
}

/// A run over the book (`ping`, `direct`) or over a quote's ladder (`post`). What became of each
/// contract is in five arrays of one length, the columns `contracts.*`.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct AuctionRow {
    pub auction_id: String,
    pub kind: String,
    pub lead_id: String,
    pub campaign: String,
    pub publisher: String,
    pub click_id: String,
    pub test: bool,
    pub status: String,
    pub reason: String,
    pub payout: Money,
    pub currency: String,
    #[serde(rename = "contracts.contract")]
    pub contract: Vec<String>,
    #[serde(rename = "contracts.buyer")]
    pub buyer: Vec<String>,
    #[serde(rename = "contracts.ping_reason")]
    pub ping_reason: Vec<String>,
    #[serde(rename = "contracts.post_reason")]
    pub post_reason: Vec<String>,
    #[serde(rename = "contracts.price")]
    pub price: Vec<Money>,
    pub excluded: Vec<(String, u32)>,
    pub sub: Vec<(String, String)>,
    pub generation: String,
    pub told_pending: bool,
    pub ended_at: Time,
    pub expires_at: Option<Time>,
    pub took_us: i64,
    pub version: u64,
}

/// A ping to a buyer.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct PingRow {
    pub auction_id: String,
    pub contract: String,
    pub buyer: String,
    pub campaign: String,
    pub publisher: String,
    pub lead_id: String,
    pub test: bool,
    pub result: String,
    pub bid: Money,
    pub currency: String,
    pub http_status: u16,
    pub started_at: Time,
    pub took_us: i64,
    pub version: u64,
}
