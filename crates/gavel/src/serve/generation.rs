//! Puts the catalog's generation into the log before it is used, so that every generation a lead
//! record names can be read back for ever.

use anyhow::Context as _;
use bytes::Bytes;
use catalog::Snapshot;
use store::{Ack, Backend, EventLog, Replay, Topic};

/// Appends the generation unless it is the last one there.
pub(super) async fn record(backend: &impl Backend, snapshot: &Snapshot) -> anyhow::Result<()> {
    let last = last(backend)
        .await
        .context("cannot read the catalog's topic")?;
    if last.as_deref() == Some(snapshot.canonical.as_slice()) {
        return Ok(());
    }
    let record = Bytes::copy_from_slice(&snapshot.canonical);
    let appended = backend
        .log()
        .append(Topic::Catalog, 0, record, Ack::Durable)
        .await;
    appended.context("cannot record the catalog")?;
    tracing::info!(generation = %snapshot.generation, "catalog generation recorded");
    Ok(())
}

async fn last(backend: &impl Backend) -> anyhow::Result<Option<Bytes>> {
    let mut replay = backend.log().replay(Topic::Catalog).await?;
    let mut last = None;
    while let Some((_, records)) = replay.next().await? {
        last = records.last().map(|record| record.payload.clone()).or(last);
    }
    Ok(last)
}
