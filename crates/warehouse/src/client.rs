//! The connection: one URL, one user, one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clickhouse::insert::Insert;
use clickhouse::query::Query;
use clickhouse::{Client, Compression, Row, RowOwned, RowRead, RowWrite};
use serde::de::DeserializeOwned;

use crate::layout::Layout;
use crate::{Address, Batch, EventRow, Events, Table, TlsError, WarehouseError};

/// The longest wait for a piece of an insert to leave, and for its acknowledgement.
const SEND_LIMIT: Duration = Duration::from_secs(30);
const ACKNOWLEDGE_LIMIT: Duration = Duration::from_secs(120);
/// The longest wait for other replicas, within that.
const QUORUM_LIMIT_MS: &str = "60000";
/// Where inserts are remembered (replicated tables do), one that is repeated after its answer was lost is dropped.
/// By its name: rows that were deleted and come again are other rows, though they look the same.
const DEDUPLICATED_BY: &str = "insert_deduplication_token";
/// Bytes of rows that are sent at a time.
const PIECE: usize = 256 << 10;
/// The longest wait for a query's whole answer.
const QUERY_LIMIT: Duration = Duration::from_secs(120);
/// The largest answer that is held in memory.
const ANSWER_LIMIT: usize = 256 << 20;

/// A ClickHouse database. Cloning shares the connections.
#[derive(Clone)]
pub struct Warehouse {
    /// Knows no database: for what has to work before there is one.
    server: Client,
    /// Compares each row with its table's columns, which it remembers from the first insert on.
    client: Client,
    /// Writes rows as they are, which costs half as much.
    trusting: Client,
    /// The tables into which rows went that were compared, a bit for each: the next have the same
    /// columns.
    compared: Arc<AtomicU32>,
    database: String,
}

impl Warehouse {
    /// Names the server; nothing is sent yet.
    ///
    /// # Errors
    /// What should hold authorities to trust holds none.
    pub fn connect(address: Address<'_>) -> Result<Self, TlsError> {
        let server = address
            .client()?
            .with_compression(Compression::None)
            // An acknowledgement means that the rows are in a part, not in a buffer; where tables are replicated,
            // in one on most replicas.
            .with_setting("async_insert", "0")
            .with_setting("insert_quorum", quorum(address.quorum))
            .with_setting("insert_quorum_timeout", QUORUM_LIMIT_MS)
            .with_setting("wait_end_of_query", "1")
            // What the service itself asks is small, and not to take every core at once.
            .with_setting("max_threads", "1");
        let client = server.clone().with_database(address.database);
        Ok(Self {
            trusting: client.clone().with_validation(false),
            client,
            compared: Arc::default(),
            server,
            database: address.database.to_owned(),
        })
    }

    /// Of this database.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Of no database.
    pub(crate) fn server(&self) -> &Client {
        &self.server
    }

    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<(), WarehouseError> {
        limited(self.server.query("SELECT 1").execute()).await
    }

    /// Runs a statement that returns nothing.
    pub async fn execute(&self, sql: &str) -> Result<(), WarehouseError> {
        limited(self.client.query_raw(sql).execute()).await
    }

    /// Makes its database.
    pub(crate) async fn create_database(&self, layout: Layout) -> Result<(), WarehouseError> {
        let sql = layout.database(&self.database);
        limited(with(self.server.query_raw(&sql), layout).execute()).await
    }

    /// Runs a statement of the schema.
    pub(crate) async fn define(&self, layout: Layout, sql: &str) -> Result<(), WarehouseError> {
        let query = self.client.query_raw(&layout.of(sql));
        limited(with(query, layout).execute()).await
    }

    /// The one number a query returns, which has to be a UInt64.
    pub async fn count(&self, sql: &str) -> Result<u64, WarehouseError> {
        limited(self.client.query_raw(sql).fetch_one::<u64>()).await
    }

    /// The rows of a query, each a JSON object by column name. Decimals come as strings; 64-bit
    /// integers as numbers.
    pub async fn rows<T: DeserializeOwned>(&self, sql: &str) -> Result<Vec<T>, WarehouseError> {
        let mut cursor = self
            .client
            .query_raw(sql)
            .with_setting("output_format_json_quote_decimals", "1")
            .with_setting("output_format_json_quote_64bit_integers", "0")
            .fetch_bytes("JSONEachRow")?;
        let whole = async {
            let mut whole = Vec::new();
            while let Some(chunk) = cursor.next().await? {
                whole.extend_from_slice(&chunk);
                if whole.len() > ANSWER_LIMIT {
                    return Err(WarehouseError::Mismatch(
                        "the answer is too large".to_owned(),
                    ));
                }
            }
            Ok(whole)
        };
        let whole = timed(whole).await?;
        whole
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(serde_json::from_slice)
            .collect::<Result<_, _>>()
            .map_err(|error| WarehouseError::Mismatch(error.to_string()))
    }

    /// The rows of a query that names every column.
    pub(crate) async fn fetch<T>(&self, sql: &str) -> Result<Vec<T>, WarehouseError>
    where
        T: RowOwned + RowRead,
    {
        limited(self.client.query_raw(sql).fetch_all::<T>()).await
    }

    /// How many rows each documented table's view has.
    pub async fn row_counts(&self) -> Result<Vec<(Table, u64)>, WarehouseError> {
        let mut counts = Vec::with_capacity(Table::ALL.len());
        for table in Table::ALL {
            let sql = format!("SELECT count() FROM {}", table.view());
            counts.push((table, self.count(&sql).await?));
        }
        Ok(counts)
    }

    /// Writes a batch. When this returns without an error, every row is acknowledged; after an
    /// error some may be there, and the whole batch is to be written again.
    pub async fn insert(&self, batch: &Batch) -> Result<(), WarehouseError> {
        let name = batch.name.as_deref();
        // One after the other: a batch is no hurry, and side by side they would take every core from
        // those who are.
        self.write_events(&batch.events, name).await?;
        self.write(Table::Leads, &batch.leads, name).await?;
        self.write(Table::Posts, &batch.posts, name).await?;
        self.write(Table::Auctions, &batch.auctions, name).await?;
        self.write(Table::Pings, &batch.pings, name).await?;
        self.write(Table::Conversions, &batch.conversions, name)
            .await?;
        self.write(Table::Credits, &batch.credits, name).await?;
        self.write(Table::Refusals, &batch.refusals, name).await?;
        self.write(Table::Postbacks, &batch.postbacks, name).await?;
        self.write(Table::DeadLetters, &batch.dead_letters, name)
            .await?;
        Ok(())
    }

    async fn write_events(
        &self,
        events: &Events,
        name: Option<&str>,
    ) -> Result<(), WarehouseError> {
        if events.is_empty() {
            return Ok(());
        }
        if !self.is_compared(Table::Events) {
            let mut insert = self.begin::<EventRow<'_>>(Table::Events, name).await?;
            for row in events.iter() {
                insert.write(&row?).await?;
            }
            return self.end(Table::Events, insert).await;
        }
        let (table, columns) = (Table::Events.name(), EventRow::COLUMN_NAMES.join(","));
        let sql = format!("INSERT INTO {table}({columns}) FORMAT RowBinary");
        let insert = self.trusting.insert_formatted_with(sql);
        let insert = match name {
            Some(name) => insert.with_setting(DEDUPLICATED_BY, name),
            None => insert,
        };
        let mut insert = insert.with_timeouts(Some(SEND_LIMIT), Some(ACKNOWLEDGE_LIMIT));
        for piece in events.bytes().chunks(PIECE) {
            insert.send(Bytes::copy_from_slice(piece)).await?;
        }
        Ok(insert.end().await?)
    }

    pub(crate) async fn write<T>(
        &self,
        table: Table,
        rows: &[T],
        name: Option<&str>,
    ) -> Result<(), WarehouseError>
    where
        T: RowOwned + RowWrite,
    {
        if rows.is_empty() {
            return Ok(());
        }
        let mut insert = self.begin::<T>(table, name).await?;
        for row in rows {
            insert.write(row).await?;
        }
        self.end(table, insert).await
    }

    /// Whether rows went into a table that were compared with its columns.
    fn is_compared(&self, table: Table) -> bool {
        self.compared.load(Ordering::Relaxed) & bit(table) != 0
    }

    async fn begin<T: Row>(
        &self,
        table: Table,
        name: Option<&str>,
    ) -> Result<Insert<T>, WarehouseError> {
        let client = match self.is_compared(table) {
            false => &self.client,
            true => &self.trusting,
        };
        let insert = timed(async { Ok(client.insert::<T>(table.name()).await?) }).await?;
        let insert = match name {
            Some(name) => insert.with_setting(DEDUPLICATED_BY, name),
            None => insert,
        };
        Ok(insert.with_timeouts(Some(SEND_LIMIT), Some(ACKNOWLEDGE_LIMIT)))
    }

    async fn end<T>(&self, table: Table, insert: Insert<T>) -> Result<(), WarehouseError> {
        // Reads the answer to its end: an error may come after the status line.
        insert.end().await?;
        self.compared.fetch_or(bit(table), Ordering::Relaxed);
        Ok(())
    }
}

fn with(query: Query, layout: Layout) -> Query {
    let settings = layout.settings().iter();
    settings.fold(query, |query, (name, value)| {
        query.with_setting(*name, *value)
    })
}

fn quorum(replicas: Option<u8>) -> String {
    replicas.map_or_else(|| "auto".to_owned(), |replicas| replicas.to_string())
}

/// A table's place among those that were compared.
fn bit(table: Table) -> u32 {
    1 << table as u32
}

pub(crate) async fn limited<T>(
    request: impl Future<Output = clickhouse::error::Result<T>>,
) -> Result<T, WarehouseError> {
    timed(async { Ok(request.await?) }).await
}

pub(crate) async fn timed<T>(
    request: impl Future<Output = Result<T, WarehouseError>>,
) -> Result<T, WarehouseError> {
    tokio::time::timeout(QUERY_LIMIT, request)
        .await
        .unwrap_or_else(|_| Err(WarehouseError::Unreachable("no answer in time".to_owned())))
}

#[cfg(test)]
mod tests;
