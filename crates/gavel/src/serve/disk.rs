//! How much of the disk is free, beside what has to be: admission stops at the reserve, and an operator
//! wants to hear of it before.

use std::path::PathBuf;
use std::time::Duration;

use telemetry::{Metrics, NODE_DISK_FREE, NODE_DISK_RESERVE};
use tokio_util::sync::CancellationToken;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);

/// Looks until `end`, and tells. What cannot be asked is not told anew: the next write will say why.
pub(super) async fn watch(
    dir: PathBuf,
    reserve_bytes: u64,
    metrics: Metrics,
    end: CancellationToken,
) {
    let gauge = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    metrics.set(NODE_DISK_RESERVE, [], gauge(reserve_bytes));
    loop {
        if let Ok(stat) = rustix::fs::statvfs(&dir) {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            metrics.set(NODE_DISK_FREE, [], gauge(free));
        }
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
