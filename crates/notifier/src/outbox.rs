//! Where notices wait: ClickHouse, or a test's table in memory.

use std::future::Future;

use warehouse::{PostbackRow, Warehouse, WarehouseError};

/// Table `postbacks`.
pub trait Outbox: Send + Sync + 'static {
    /// Notices of a publisher that wait, at most so many, the next to be sent first.
    fn waiting(
        &self,
        publisher: &str,
        most: usize,
    ) -> impl Future<Output = Result<Vec<PostbackRow>, WarehouseError>> + Send;

    /// Writes what became of notices; without an error every row is there.
    fn write(
        &self,
        rows: &[PostbackRow],
    ) -> impl Future<Output = Result<(), WarehouseError>> + Send;
}

impl Outbox for Warehouse {
    fn waiting(
        &self,
        publisher: &str,
        most: usize,
    ) -> impl Future<Output = Result<Vec<PostbackRow>, WarehouseError>> + Send {
        self.postbacks_waiting(publisher, most)
    }

    fn write(
        &self,
        rows: &[PostbackRow],
    ) -> impl Future<Output = Result<(), WarehouseError>> + Send {
        self.write_postbacks(rows)
    }
}
