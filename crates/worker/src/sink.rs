//! Where rows go: ClickHouse, or a test's table in memory.

use std::future::Future;

use warehouse::{Batch, Warehouse, WarehouseError};

/// Takes batches of rows.
pub trait Sink: Send + Sync + 'static {
    /// Makes the tables ready to be written to. May be called again.
    fn prepare(&self) -> impl Future<Output = Result<(), WarehouseError>> + Send;

    /// Writes a batch; without an error every row is acknowledged. A batch may come again.
    fn insert(&self, batch: &Batch) -> impl Future<Output = Result<(), WarehouseError>> + Send;
}

impl Sink for Warehouse {
    async fn prepare(&self) -> Result<(), WarehouseError> {
        self.migrate().await.map(|_| ())
    }

    fn insert(&self, batch: &Batch) -> impl Future<Output = Result<(), WarehouseError>> + Send {
        Self::insert(self, batch)
    }
}
