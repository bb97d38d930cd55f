//! How many legs wait for somebody to say what became of them, and for how long: asked of the tables, as
//! nobody else knows of all nodes' legs.

use std::sync::Arc;
use std::time::Duration;

use domain::Clock;
use telemetry::{Metrics, WORKER_IN_DOUBT, WORKER_IN_DOUBT_OLDEST};
use tokio_util::sync::CancellationToken;
use warehouse::{Time, Warehouse};

/// Between two questions.
const EVERY: Duration = Duration::from_secs(60);
/// After one that was not answered.
const AGAIN: Duration = Duration::from_secs(5);
/// Legs of older leads are not looked for: who has not settled one by then will not.
const BACK_MICROS: i64 = 30 * 24 * 60 * 60 * 1_000_000;

/// Asks until `end`, and tells. While ClickHouse is away the last answer stands.
pub(super) async fn watch(
    warehouse: Warehouse,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    end: CancellationToken,
) {
    loop {
        let since = Time(clock.wall().as_micros().saturating_sub(BACK_MICROS));
        let answered = tokio::select! {
            () = end.cancelled() => return,
            answered = warehouse.in_doubt(since) => answered,
        };
        let pause = match answered {
            Ok(found) => {
                let age = |oldest| clock.wall().as_micros().saturating_sub(oldest) / 1_000_000;
                let oldest = found.oldest.map_or(0, |oldest| age(oldest.0)).max(0);
                let legs = i64::try_from(found.legs).unwrap_or(i64::MAX);
                metrics.set(WORKER_IN_DOUBT, [], legs);
                metrics.set(WORKER_IN_DOUBT_OLDEST, [], oldest);
                EVERY
            }
            Err(error) => {
                tracing::debug!(%error, "legs in doubt cannot be counted");
                AGAIN
            }
        };
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
