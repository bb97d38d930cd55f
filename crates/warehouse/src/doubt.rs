//! Legs of which nobody knows yet what became of them: each is money that may have been earned, under a
//! cap that stays pinned.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::client::timed;
use crate::row::Time;
use crate::{Warehouse, WarehouseError};

/// The legs in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InDoubt {
    /// How many.
    pub legs: u64,
    /// When the oldest was posted.
    pub oldest: Option<Time>,
}

#[derive(Row, Serialize, Deserialize)]
struct Found {
    legs: u64,
    oldest: Time,
}

/// A leg is few versions: those that ever were in doubt are found by one narrow column, and only theirs are
/// put together.
const SQL: &str = "SELECT count() AS legs, min(started_at) AS oldest FROM \
    (SELECT sale_id, argMax(state, version) AS state, any(started_at) AS started_at FROM posts \
    WHERE sale_id IN (SELECT sale_id FROM posts WHERE state = 'in_doubt' AND NOT test \
    AND received_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')) GROUP BY sale_id) WHERE state = 'in_doubt'";

impl Warehouse {
    /// The legs in doubt of leads received since then, test leads left out.
    pub async fn in_doubt(&self, since: Time) -> Result<InDoubt, WarehouseError> {
        let query = self.client().query_raw(SQL).param("since", since.0);
        let found = timed(async { Ok(query.fetch_one::<Found>().await?) }).await?;
        let found = Some(found).filter(|found| found.legs > 0);
        Ok(InDoubt {
            legs: found.as_ref().map_or(0, |found| found.legs),
            oldest: found.map(|found| found.oldest),
        })
    }
}
