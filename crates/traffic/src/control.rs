//! The control lane: direct calls from the same client to the same buyers, beside the auctions.
//!
//! What such a call takes beyond the buyer's own service time is what machine, client and network cost
//! without Gavel in between.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Clock;
use serde_json::json;

use crate::{Call, Dice, MARKER_FIELD, Pool};

/// The campaign that control calls name, so that nobody takes them for an auction's pings.
pub const CONTROL_CAMPAIGN: &str = "control";

/// How long a buyer has.
const LIMIT: Duration = Duration::from_secs(2);
/// Connections to each buyer.
const CONNECTIONS: usize = 64;

/// One control call that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlCall {
    /// The marker field of its lead.
    pub marker: String,
    /// From the call to the last byte, in microseconds.
    pub took_us: u64,
    /// When the answer was complete, in microseconds since 1970.
    pub at_us: i64,
}

/// Direct calls to buyers.
pub struct Control {
    pools: Vec<Pool>,
    dice: Mutex<Dice>,
    calls: Mutex<Vec<ControlCall>>,
    clock: Arc<dyn Clock>,
}

impl Control {
    /// A lane to these buyers.
    pub fn new(buyers: &[SocketAddr], dice: Dice, clock: Arc<dyn Clock>) -> Self {
        let pool = |addr: &SocketAddr| Pool::new(*addr, CONNECTIONS, LIMIT, Arc::clone(&clock));
        Self {
            pools: buyers.iter().map(pool).collect(),
            dice: Mutex::new(dice),
            calls: Mutex::new(Vec::new()),
            clock,
        }
    }

    /// One ping to one buyer, with the lead of the auction it runs beside.
    pub(crate) async fn call(&self, lead: &serde_json::Value) {
        let (marker, pool) = {
            let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
            if self.pools.is_empty() {
                return;
            }
            (format!("control-{}", dice.token()), dice.pick(&self.pools))
        };
        let mut lead = lead.clone();
        if let Some(fields) = lead.as_object_mut() {
            fields.insert(MARKER_FIELD.to_owned(), marker.clone().into());
        }
        let body = json!({
            "ping_id": marker,
            "campaign": CONTROL_CAMPAIGN,
            "contract": CONTROL_CAMPAIGN,
            "tmax_ms": LIMIT.as_millis(),
            "currency": "USD",
            "test": false,
            "lead": lead,
        });
        // A buyer that stalls or breaks on purpose says nothing about what a call costs.
        if let Ok(answered) = pool.call(Call::json("/ping", &body)).await {
            let took_us = u64::try_from(answered.took.as_micros()).unwrap_or(u64::MAX);
            let at_us = self.clock.wall().as_micros();
            self.calls
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(ControlCall {
                    marker,
                    took_us,
                    at_us,
                });
        }
    }

    /// What was measured so far.
    pub fn calls(&self) -> Vec<ControlCall> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
