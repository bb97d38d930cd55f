//! Where the worker's rows go, and where the notifier finds what publishers are to be told: ClickHouse,
//! asked only while its process runs.
//!
//! An engine that is starting, or starting again, is no failure: the worker waits for it here
//! instead of knocking at a closed port.
//!
//! The embedded engine writes dozens of small files a second, and each sync of one would stand in the
//! way of the journal's, which leads wait for. So it syncs none: the file system is synced as a whole
//! every while, and only then are offsets committed ([`super::parts`] sees to it that little is left to do then). What
//! a power cut takes is in the log.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use catalog::Keep;
use domain::Timestamp;
use notifier::{Handoff, Outbox};
use parking_lot::Mutex;
use store::Topic;
use tokio::sync::watch;
use warehouse::{Batch, PostbackRow, Sought, Table, Warehouse, WarehouseError};
use worker::Sink;

use super::parts::Parts;

/// After this it is tried all the same, and the worker says what is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far apart the file system of an embedded engine is synced.
pub(super) const SETTLE_EVERY: Duration = Duration::from_secs(30);
/// How far apart batches begin that a ClickHouse elsewhere takes: the way there is part of each, and what its inserts
/// cost is no click's time. Embedded, the worker's own pace is kept.
pub(super) const BATCH_EVERY: Duration = Duration::from_millis(500);

/// Between two parts whose files the kernel is asked to write: a batch has ten of them, and they are not to come all at
/// once.
const PAUSE: Duration = Duration::from_millis(30);

#[derive(Clone)]
pub(super) struct Tables {
    warehouse: Warehouse,
    /// None for a server.
    engine: Option<Engine>,
    /// How long rows stay.
    keep: Keep,
    /// Whether the tables are there.
    prepared: watch::Sender<bool>,
    /// Who is given the notices that publishers wait for.
    handoff: Handoff,
}

/// The embedded engine.
#[derive(Clone)]
pub(super) struct Engine {
    /// Whether it runs.
    up: watch::Receiver<bool>,
    /// Where its files are.
    dir: PathBuf,
    parts: Arc<Mutex<Parts>>,
}

impl Engine {
    pub(super) fn new(up: watch::Receiver<bool>, dir: PathBuf) -> Self {
        Self {
            up,
            dir,
            parts: Arc::default(),
        }
    }

    /// Has the files of a batch written while the next one fills.
    fn begin(&self) {
        let Self { dir, parts, .. } = self.clone();
        // Nobody waits for it. One at a time: what comes meanwhile is found by the next.
        drop(tokio::task::spawn_blocking(move || {
            parts.try_lock().map(|mut parts| parts.begin(&dir, PAUSE))
        }));
    }
}

impl Tables {
    pub(super) fn new(
        warehouse: Warehouse,
        engine: Option<Engine>,
        keep: Keep,
        handoff: Handoff,
    ) -> Self {
        Self {
            warehouse,
            engine,
            keep,
            prepared: watch::Sender::new(false),
            handoff,
        }
    }

    async fn engine(&self) {
        if let Some(Engine { up, .. }) = &self.engine {
            let mut up = up.clone();
            // Late, or its supervisor is gone: either way the next call shows it.
            let _ = tokio::time::timeout(PATIENCE, up.wait_for(|up| *up)).await;
        }
    }
}

fn sync(dir: PathBuf) -> std::io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(dir)?)?)
}

impl Sink for Tables {
    async fn prepare(&self) -> Result<(), WarehouseError> {
        self.engine().await;
        self.warehouse.prepare().await?;
        if self.engine.is_some() {
            self.warehouse.leave_unsynced().await?;
        }
        let Keep { events, auctions } = self.keep;
        let spans = [
            (Table::Events, events),
            (Table::Auctions, auctions),
            (Table::Pings, auctions),
            (Table::Refusals, auctions),
        ];
        self.warehouse.keep(&spans).await?;
        self.prepared.send_replace(true);
        Ok(())
    }

    async fn settle(&self) -> Result<(), WarehouseError> {
        let Some(Engine { dir, .. }) = &self.engine else {
            return Ok(());
        };
        let dir = dir.clone();
        let synced = tokio::task::spawn_blocking(move || sync(dir)).await;
        let unsynced = |error: &dyn std::fmt::Display| {
            WarehouseError::Unreachable(format!("its files cannot be synced: {error}"))
        };
        synced
            .map_err(|error| unsynced(&error))?
            .map_err(|error| unsynced(&error))
    }

    async fn insert(&self, batch: &Batch) -> Result<(), WarehouseError> {
        self.engine().await;
        Sink::insert(&self.warehouse, batch).await?;
        if let Some(engine) = &self.engine {
            engine.begin();
        }
        self.handoff.offer(&batch.postbacks);
        Ok(())
    }

    async fn postbacks(&self, conversions: &[&str]) -> Result<Vec<PostbackRow>, WarehouseError> {
        self.engine().await;
        Sink::postbacks(&self.warehouse, conversions).await
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

impl Outbox for Tables {
    async fn waiting(
        &self,
        publisher: &str,
        most: usize,
    ) -> Result<Vec<PostbackRow>, WarehouseError> {
        // The worker makes the tables, and says so itself if it cannot.
        let _ = self.prepared.subscribe().wait_for(|there| *there).await;
        self.engine().await;
        Outbox::waiting(&self.warehouse, publisher, most).await
    }

    async fn write(&self, rows: &[PostbackRow]) -> Result<(), WarehouseError> {
        self.engine().await;
        Outbox::write(&self.warehouse, rows).await
    }
}
