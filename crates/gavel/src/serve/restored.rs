//! Tables that were restored from a backup: what came after it is in the log, and is read again from there.
//!
//! All that the log has is read again, not only what came after the backup: rows that are there are written once more in
//! the version that they have, which changes none.

use std::path::PathBuf;

use anyhow::Context as _;
use catalog::Config;
use engine::backup::RESTORED;
use store_local::Local;

use super::{ENGINE_DIR, whole};

/// What says that the tables were restored; none if they were not, or are not ours.
pub(super) fn mark(config: &Config) -> Option<PathBuf> {
    if config.clickhouse.is_some() {
        return None;
    }
    let mark = config.data_dir.join(ENGINE_DIR).join(RESTORED);
    mark.exists().then_some(mark)
}

/// Has the log read again if the tables were restored. Before anybody reads it.
pub(super) fn read_again(config: &Config, local: &Local) -> anyhow::Result<()> {
    let Some(mark) = mark(config) else {
        return Ok(());
    };
    local
        .read_again(&worker::READ_AGAIN)
        .context("cannot have the log read again")?;
    whole::remove(&mark).with_context(|| format!("cannot remove {}", mark.display()))?;
    tracing::warn!("the tables were restored from a backup: the log is read again");
    Ok(())
}
