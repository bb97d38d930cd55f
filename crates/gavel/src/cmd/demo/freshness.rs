//! How long a click takes from the answer to its row in ClickHouse, as somebody sees it who looks
//! several times a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Clock;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use traffic::{Told, Warehouse};

/// Between two looks; what is seen is at most this much older than it looks.
const LOOK: Duration = Duration::from_millis(250);

/// A click's event time is when it was received, and a part knows the times in it: older parts are not
/// read. A look is to disturb what is measured as little as it can.
const RECENT: &str = "SELECT click_id FROM events \
    WHERE kind = 'click' AND ts > now64(6) - INTERVAL 8 SECOND";

/// When each click was first seen, in microseconds since 1970.
#[derive(Default)]
pub(super) struct Freshness(Mutex<HashMap<String, i64>>);

#[derive(Deserialize)]
struct Row {
    click_id: String,
}

impl Freshness {
    /// Looks until it is told to stop.
    pub(super) async fn watch(
        self: Arc<Self>,
        warehouse: Warehouse,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) {
        while !stop.is_cancelled() {
            // A look that fails is one look less; the checks at the end read everything again.
            if let Ok(rows) = warehouse.rows::<Row>(RECENT).await {
                let now = clock.wall().as_micros();
                let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                for row in rows {
                    seen.entry(row.click_id).or_insert(now);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// From told to seen, in microseconds, of every click that was seen.
    pub(super) fn delays_us(&self, told: &[Told]) -> Vec<i64> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter()
            .filter_map(|told| match told {
                Told::Click(click) => Some(
                    seen.get(click.click_id.as_deref()?)?
                        .saturating_sub(click.at_us),
                ),
                _ => None,
            })
            .collect()
    }
}
