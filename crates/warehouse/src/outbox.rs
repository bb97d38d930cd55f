//! What publishers were told, and what they are still to be told: table `postbacks`.

use clickhouse::Row as _;

use crate::{PostbackRow, Table, Warehouse, WarehouseError};

/// The longest list of one query: its text stays well below the server's `max_query_size`.
const MOST_KEYS: usize = 4096;

impl Warehouse {
    /// The last notices of these conversions, of every publisher.
    pub async fn postbacks_of(
        &self,
        conversions: &[&str],
    ) -> Result<Vec<PostbackRow>, WarehouseError> {
        let mut rows = Vec::new();
        for conversions in conversions.chunks(MOST_KEYS) {
            // Ids that the service made: none holds a quote.
            let list = conversions.join("','");
            let sql = select(&format!("conversion_id IN ('{list}')"));
            rows.extend(self.fetch::<PostbackRow>(&sql).await?);
        }
        Ok(rows)
    }

    /// Notices that wait to be sent to a publisher, the next to be sent first.
    pub async fn postbacks_waiting(
        &self,
        publisher: &str,
        most: usize,
    ) -> Result<Vec<PostbackRow>, WarehouseError> {
        // A publisher's name holds no quote.
        let waiting = select(&format!("state = 'waiting' AND publisher = '{publisher}'"));
        let sql = format!("{waiting} ORDER BY next_at LIMIT {most}");
        self.fetch::<PostbackRow>(&sql).await
    }

    /// Writes what became of notices.
    pub async fn write_postbacks(&self, rows: &[PostbackRow]) -> Result<(), WarehouseError> {
        self.write(Table::Postbacks, rows, None).await
    }
}

fn select(only: &str) -> String {
    let columns = PostbackRow::COLUMN_NAMES.join(", ");
    format!("SELECT {columns} FROM postbacks FINAL WHERE {only}")
}
