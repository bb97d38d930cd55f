//! What ClickHouse holds, read from the `v_*` views over its HTTP interface.

use domain::Micros;
use http::header::HeaderName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::{Call, Pool, Unanswered};

/// ClickHouse did not answer a query.
#[derive(Debug, thiserror::Error)]
pub enum HeldError {
    /// No complete answer.
    #[error("clickhouse: {0}")]
    Unanswered(#[from] Unanswered),
    /// It refused the query.
    #[error("clickhouse answered {status}: {text}\n{sql}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its explanation.
        text: String,
        /// The query.
        sql: String,
    },
    /// A row is not of the shape asked for.
    #[error("clickhouse row: {source}: {row}")]
    Row {
        /// Why.
        source: serde_json::Error,
        /// The row.
        row: String,
    },
}

/// A way to ask ClickHouse.
pub struct Warehouse {
    pool: Pool,
    database: String,
    login: Option<(String, String)>,
}

impl Warehouse {
    /// Queries go to this database, as user `default` without a password.
    pub fn new(pool: Pool, database: &str) -> Self {
        Self {
            pool,
            database: database.to_owned(),
            login: None,
        }
    }

    /// Queries carry this user and password.
    #[must_use]
    pub fn with_login(mut self, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// The rows of a query.
    pub async fn rows<T: DeserializeOwned>(&self, sql: &str) -> Result<Vec<T>, HeldError> {
        let path = format!(
            "/?database={}&default_format=JSONEachRow&output_format_json_quote_decimals=1\
             &output_format_json_quote_64bit_integers=0",
            self.database
        );
        let mut call = Call {
            method: http::Method::POST,
            ..Call::get(path)
        };
        call.body = sql.to_owned().into();
        if let Some((user, password)) = &self.login {
            call = call
                .with(HeaderName::from_static("x-clickhouse-user"), user)
                .with(HeaderName::from_static("x-clickhouse-key"), password);
        }
        let answered = self.pool.call(call).await?;
        let text = String::from_utf8_lossy(&answered.body);
        if !answered.status.is_success() {
            return Err(HeldError::Refused {
                status: answered.status.as_u16(),
                text: text.trim().to_owned(),
                sql: sql.to_owned(),
            });
        }
        text.lines()
            .map(|line| {
                serde_json::from_str(line).map_err(|source| HeldError::Row {
                    source,
                    row: line.to_owned(),
                })
            })
            .collect()
    }

    /// A query of one column and one row.
    pub async fn value<T: DeserializeOwned>(&self, sql: &str) -> Result<Option<T>, HeldError> {
        #[derive(Deserialize)]
        struct One<T> {
            value: T,
        }
        let rows: Vec<One<T>> = self.rows(sql).await?;
        Ok(rows.into_iter().next().map(|one| one.value))
    }
}

/// Everything that the books of clients and buyers are held against.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the rows of the views their names say")]
pub struct Held {
    pub clicks: Vec<HeldClick>,
    pub auctions: Vec<HeldAuction>,
    pub pings: Vec<HeldPing>,
    pub leads: Vec<HeldLead>,
    pub posts: Vec<HeldPost>,
    pub conversions: Vec<HeldConversion>,
    pub credits: Vec<HeldCredit>,
    pub refusals: Vec<HeldRefusal>,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct HeldClick {
    pub event_id: String,
    pub click_id: String,
    pub visitor: String,
    pub link: String,
    pub publisher: String,
    pub marker: String,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct HeldAuction {
    pub auction_id: String,
    pub kind: String,
    pub lead_id: String,
    pub campaign: String,
    pub status: String,
    #[serde(deserialize_with = "money")]
    pub payout: Micros,
    pub rows: u32,
    pub rows_without_reason: u32,
    pub contracts_twice: u32,
    pub excluded: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct HeldPing {
    pub auction_id: String,
    pub lead_id: String,
    pub contract: String,
    pub result: String,
    #[serde(deserialize_with = "money")]
    pub bid: Micros,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct HeldLead {
    pub lead_id: String,
    pub campaign: String,
    pub publisher: String,
    pub status: String,
    pub reason: String,
    #[serde(deserialize_with = "money")]
    pub payout: Micros,
    #[serde(deserialize_with = "money")]
    pub revenue: Micros,
    #[serde(deserialize_with = "money")]
    pub margin: Micros,
    pub sale_id: String,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct HeldPost {
    pub sale_id: String,
    pub lead_id: String,
    pub leg: u16,
    pub contract: String,
    pub buyer: String,
    pub state: String,
    pub settled_by: String,
    #[serde(deserialize_with = "money")]
    pub price: Micros,
    #[serde(deserialize_with = "money")]
    pub payout: Micros,
    #[serde(deserialize_with = "money")]
    pub margin: Micros,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct HeldConversion {
    pub conversion_id: String,
    pub goal: String,
    pub txid: String,
    pub click_id: String,
    pub lead_id: String,
    pub source: String,
    #[serde(deserialize_with = "money")]
    pub amount: Micros,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct HeldCredit {
    pub conversion_id: String,
    pub model: String,
    pub goal: String,
    pub touch: String,
    pub share: u64,
    #[serde(deserialize_with = "money")]
    pub value: Micros,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct HeldRefusal {
    pub request_id: String,
    pub kind: String,
    pub status: u16,
    pub code: String,
}

impl Held {
    /// Reads all views.
    pub async fn read(warehouse: &Warehouse) -> Result<Self, HeldError> {
        Ok(Self {
            clicks: warehouse
                .rows(
                    "SELECT event_id, click_id, visitor, link, publisher, sub['s10'] AS marker \
                     FROM v_events WHERE kind = 'click'",
                )
                .await?,
            auctions: warehouse
                .rows(
                    "SELECT auction_id, kind, lead_id, campaign, status, payout, \
                     toUInt32(length(contracts.contract)) AS rows, \
                     toUInt32(arrayCount((p, q) -> p = '' AND q = '', contracts.ping_reason, \
                     contracts.post_reason)) AS rows_without_reason, \
                     toUInt32(length(contracts.contract) - length(arrayDistinct(contracts.contract))) \
                     AS contracts_twice, \
                     toUInt32(arraySum(mapValues(excluded))) AS excluded FROM v_auctions",
                )
                .await?,
            pings: warehouse
                .rows("SELECT auction_id, lead_id, contract, result, bid FROM v_pings")
                .await?,
            leads: warehouse
                .rows(
                    "SELECT lead_id, campaign, publisher, status, reason, payout, revenue, margin, \
                     sale_id FROM v_leads",
                )
                .await?,
            posts: warehouse
                .rows(
                    "SELECT sale_id, lead_id, leg, contract, buyer, state, settled_by, price, payout, \
                     margin FROM v_posts",
                )
                .await?,
            conversions: warehouse
                .rows(
                    "SELECT conversion_id, goal, txid, click_id, lead_id, source, amount \
                     FROM v_conversions",
                )
                .await?,
            credits: warehouse
                .rows(
                    "SELECT conversion_id, model, goal, touch, share, value FROM v_credits",
                )
                .await?,
            refusals: warehouse
                .rows("SELECT request_id, kind, status, code FROM v_refusals")
                .await?,
        })
    }
}

/// A decimal, quoted or not; ClickHouse leaves trailing zeros out.
pub(crate) fn money<'de, D: Deserializer<'de>>(from: D) -> Result<Micros, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    let text = match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    text.parse().map_err(serde::de::Error::custom)
}
