//! Where rows go: ClickHouse, or a test's table in memory.

use std::future::Future;

use warehouse::{Batch, Warehouse, WarehouseError};

/// Takes batches of rows.
pub trait Sink: Send + Sync + 'static {
    /// Writes a batch; without an error every row is acknowledged. A batch may come again.
    fn insert(&self, batch: &Batch) -> impl Future<Output = Result<(), WarehouseError>> + Send;
}

impl Sink for Warehouse {
    fn insert(&self, batch: &Batch) -> impl Future<Output = Result<(), WarehouseError>> + Send {
        Self::insert(self, batch)
    }
}
