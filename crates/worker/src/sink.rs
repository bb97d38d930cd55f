//! Where rows go, and where it is looked whether they arrived: ClickHouse, or a test's table in memory.

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::{Range, RangeInclusive};

use domain::Timestamp;
use store::Topic;
use warehouse::{Batch, PostbackRow, Sought, Warehouse, WarehouseError};

/// Takes batches of rows.
pub trait Sink: Send + Sync + 'static {
    /// Makes the tables ready to be written to. May be called again.
    fn prepare(&self) -> impl Future<Output = Result<(), WarehouseError>> + Send;

    /// Writes a batch; without an error every row is acknowledged. A batch may come again.
    fn insert(&self, batch: &Batch) -> impl Future<Output = Result<(), WarehouseError>> + Send;

    /// When this returns, what was acknowledged before the call survives a power cut; only then are
    /// its records committed. A server's acknowledgement means that already.
    fn settle(&self) -> impl Future<Output = Result<(), WarehouseError>> + Send {
        std::future::ready(Ok(()))
    }

    /// The last notice of each of these conversions to each publisher.
    fn postbacks(
        &self,
        conversions: &[&str],
    ) -> impl Future<Output = Result<Vec<PostbackRow>, WarehouseError>> + Send;

    /// How many rows with these keys it holds, each once; with `within`, at least those whose time
    /// is in it.
    fn held(
        &self,
        sought: Sought,
        keys: &[&str],
        within: Option<RangeInclusive<Timestamp>>,
    ) -> impl Future<Output = Result<u64, WarehouseError>> + Send;

    /// The offsets of a partition whose records it holds as dead letters.
    fn letters(
        &self,
        topic: Topic,
        partition: u16,
        offsets: Range<u64>,
    ) -> impl Future<Output = Result<BTreeSet<u64>, WarehouseError>> + Send;
}

impl Sink for Warehouse {
    async fn prepare(&self) -> Result<(), WarehouseError> {
        self.migrate().await.map(|_| ())
    }

    fn insert(&self, batch: &Batch) -> impl Future<Output = Result<(), WarehouseError>> + Send {
        Self::insert(self, batch)
    }

    fn postbacks(
        &self,
        conversions: &[&str],
    ) -> impl Future<Output = Result<Vec<PostbackRow>, WarehouseError>> + Send {
        self.postbacks_of(conversions)
    }

    fn held(
        &self,
        sought: Sought,
        keys: &[&str],
        within: Option<RangeInclusive<Timestamp>>,
    ) -> impl Future<Output = Result<u64, WarehouseError>> + Send {
        Self::held(self, sought, keys, within)
    }

    fn letters(
        &self,
        topic: Topic,
        partition: u16,
        offsets: Range<u64>,
    ) -> impl Future<Output = Result<BTreeSet<u64>, WarehouseError>> + Send {
        Self::letters(self, topic.as_str(), partition, offsets)
    }
}
