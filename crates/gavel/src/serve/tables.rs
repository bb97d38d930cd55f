//! Where the worker's rows go: ClickHouse, asked only while its process runs.
//!
//! An engine that is starting, or starting again, is no failure: the worker waits for it here
//! instead of knocking at a closed port.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use domain::Timestamp;
use store::Topic;
use tokio::sync::watch;
use warehouse::{Batch, Sought, Warehouse, WarehouseError};
use worker::Sink;

/// After this it is tried all the same, and the worker says what is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Tables {
    pub(super) warehouse: Warehouse,
    /// Whether the embedded engine runs; none for a server.
    pub(super) engine: Option<watch::Receiver<bool>>,
}

impl Tables {
    async fn engine(&self) {
        if let Some(mut up) = self.engine.clone() {
            // Late, or its supervisor is gone: either way the next call shows it.
            let _ = tokio::time::timeout(PATIENCE, up.wait_for(|up| *up)).await;
        }
    }
}

impl Sink for Tables {
    async fn prepare(&self) -> Result<(), WarehouseError> {
        self.engine().await;
        self.warehouse.prepare().await
    }

    async fn insert(&self, batch: &Batch) -> Result<(), WarehouseError> {
        self.engine().await;
        Sink::insert(&self.warehouse, batch).await
    }

    async fn held(
        &self,
        sought: Sought,
        keys: &[&str],
        within: Option<RangeInclusive<Timestamp>>,
    ) -> Result<u64, WarehouseError> {
        self.engine().await;
        Sink::held(&self.warehouse, sought, keys, within).await
    }

    async fn letters(
        &self,
        topic: Topic,
        partition: u16,
        offsets: Range<u64>,
    ) -> Result<BTreeSet<u64>, WarehouseError> {
        self.engine().await;
        Sink::letters(&self.warehouse, topic, partition, offsets).await
    }
}
