//! Leads found by what their publisher calls them: the one look-up that state cannot answer, because
//! state is kept by id and for a day.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::client::timed;
use crate::row::{Money, Time};
use crate::{Warehouse, WarehouseError};

/// A lead as it stands, as far as its publisher is told.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct NamedLead {
    pub lead_id: String,
    pub campaign: String,
    pub status: String,
    pub reason: String,
    pub payout: Money,
    pub currency: String,
    pub test: bool,
    pub received_at: Time,
    pub took_us: i64,
}

/// Versions of one lead differ in what became of it and never in whose it is: they are found first and
/// put together then, which leaves the index on the name of use.
const SQL: &str = "SELECT lead_id, any(campaign) AS campaign, argMax(status, version) AS status, \
    argMax(reason, version) AS reason, argMax(payout, version) AS payout, \
    argMax(currency, version) AS currency, any(test) AS test, any(received_at) AS received_at, \
    argMax(took_us, version) AS took_us FROM leads \
    WHERE publisher = {publisher:String} AND publisher_lead_id = {name:String} \
    GROUP BY lead_id ORDER BY received_at DESC, lead_id DESC LIMIT {most:UInt32}";

impl Warehouse {
    /// The leads that a publisher gave this name, the newest first, at most `most`. The server gives up
    /// after `seconds`.
    pub async fn leads_named(
        &self,
        publisher: &str,
        name: &str,
        most: u32,
        seconds: u32,
    ) -> Result<Vec<NamedLead>, WarehouseError> {
        let query = self
            .client()
            .query_raw(SQL)
            .param("publisher", publisher)
            .param("name", name)
            .param("most", most)
            .with_setting("max_execution_time", seconds.to_string());
        timed(async { Ok(query.fetch_all().await?) }).await
    }
}
