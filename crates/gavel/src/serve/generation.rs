//! Puts the catalog's generation into the log before it is used, so that every generation a lead
//! record names can be read back for ever.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use catalog::Snapshot;
use store::{Ack, Backend, Consumer, Delivery, EventLog, Topic};

/// Reading what is in the log already never takes long: one record per change of the catalog.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let log = backend.log();
    let end: u64 = log.ends(Topic::Catalog).iter().sum();
    let mut read = 0;
    let mut last = None;
    if end == 0 {
        return Ok(last);
    }
    // The group never commits: it reads from the beginning each time.
    let mut consumer = log.subscribe("catalog", &[Topic::Catalog]).await?;
    while read < end {
        match consumer.next(PATIENCE).await? {
            Some(Delivery::Records { records, .. }) => {
                read = records.last().map_or(read, |record| record.offset + 1);
                last = records.last().map(|record| record.payload.clone()).or(last);
            }
            Some(Delivery::Assigned { .. } | Delivery::Revoked { .. }) => {}
            None => anyhow::bail!("the topic ends at {read} of {end}"),
        }
    }
    Ok(last)
}
