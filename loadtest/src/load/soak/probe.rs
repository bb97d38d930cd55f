//! Freshness as an analyst sees it: clicks of our own, and how long until they are in ClickHouse.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use domain::Clock;
use tokio_util::sync::CancellationToken;
use traffic::{Call, Percentiles, Pool, Warehouse};

use crate::stage::Stage;

/// Between two probes, and between two looks for one.
const PAUSE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(50);
/// One that takes longer counts as this.
const LONGEST: Duration = Duration::from_secs(30);

pub(super) struct Probe {
    public: Pool,
    warehouse: Warehouse,
    clock: Arc<dyn Clock>,
    /// Since they were last taken, in microseconds.
    delays: RefCell<Vec<i64>>,
}

impl Probe {
    pub(super) fn new(stage: &Stage, clock: Arc<dyn Clock>) -> Self {
        Self {
            public: Pool::new(stage.address(), 1, LONGEST, Arc::clone(&clock)),
            warehouse: stage.warehouse(LONGEST),
            clock,
            delays: RefCell::default(),
        }
    }

    /// Clicks and looks until it is told to stop.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if let Some(delay) = self.one().await {
                let delay = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
                self.delays.borrow_mut().push(delay);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// None if the click has no id: that is the driver's to count.
    async fn one(&self) -> Option<Duration> {
        let answered = self
            .public
            .call(Call::get("/c/north-a?s1=probe"))
            .await
            .ok()?;
        let location = answered.header(&http::header::LOCATION)?;
        let id = location
            .split(['?', '&'])
            .find_map(|pair| pair.strip_prefix("cid="))?;
        let told = self.clock.mono();
        // An id is letters, digits, `-` and `_`.
        let seen = format!(
            "SELECT toUInt32(count()) AS value FROM events \
             WHERE click_id = '{id}' AND received_at > now64(6) - INTERVAL 60 SECOND"
        );
        loop {
            let delay = self.clock.mono().since(told);
            let found = self.warehouse.value::<u32>(&seen).await.ok().flatten();
            if found.is_some_and(|count| count > 0) || delay >= LONGEST {
                return Some(delay);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The slowest hundredth of what was seen since the last time, in milliseconds.
    pub(super) fn take_p99_ms(&self) -> Option<f64> {
        let delays = self.delays.take();
        Percentiles::of(delays).map(|percentiles| percentiles.p99)
    }
}
