//! Rows of what publishers are told.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Money, Time};

/// The last notice of a conversion to a publisher.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct PostbackRow {
    pub conversion_id: String,
    pub publisher: String,
    pub notice_id: String,
    pub notices: u32,
    pub status: String,
    pub payout: Money,
    pub currency: String,
    pub campaign: String,
    pub goal: String,
    pub txid: String,
    pub click_id: String,
    pub lead_id: String,
    pub publisher_lead_id: String,
    pub sub: Vec<(String, String)>,
    pub ts: Time,
    pub made_at: Time,
    pub state: String,
    pub attempts: u32,
    pub next_at: Time,
    pub http_status: u16,
    pub error: String,
    pub told_at: Option<Time>,
    pub conversion_version: u64,
    pub version: u64,
}

/// How far a notice has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostbackState {
    /// It is to be sent.
    Waiting,
    /// The publisher's server has acknowledged it.
    Told,
    /// It was sent in vain until the attempts were used up.
    Dead,
}

impl PostbackState {
    /// As in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Told => "told",
            Self::Dead => "dead",
        }
    }
}

impl PostbackRow {
    /// Gives it the version of so many notices and attempts: a later notice holds against an earlier
    /// one, and a later attempt at one notice against an earlier one.
    #[must_use]
    pub fn versioned(self) -> Self {
        Self {
            version: (u64::from(self.notices) << 32) | u64::from(self.attempts),
            ..self
        }
    }

    /// Whether it is still to be sent.
    pub fn waits(&self) -> bool {
        self.state == PostbackState::Waiting.as_str()
    }
}
