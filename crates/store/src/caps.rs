//! Caps: counters that are held, pinned and committed exactly, under any interleaving.
//!
//! At every instant reserved = committed + pinned + held, and committed never passes a cap.

use std::future::Future;
use std::time::Duration;

use domain::{CapWindow, CounterKey, Limit, Reservation, ReservationId, Timestamp, Usage};

use crate::StoreError;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long a counter is kept after its last use: longer than its window, so that nobody can ask for
/// it any more. None: for ever.
pub const fn counter_kept(window: CapWindow) -> Option<Duration> {
    match window {
        CapWindow::Hour => Some(HOUR.saturating_mul(3)),
        CapWindow::Day => Some(DAY.saturating_mul(2)),
        CapWindow::Week => Some(DAY.saturating_mul(9)),
        CapWindow::Month => Some(DAY.saturating_mul(33)),
        CapWindow::Total => None,
    }
}

/// The answer to a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// All counters are reserved until the expiry.
    Granted,
    /// This cap is full, or the balance is spent; nothing is reserved.
    Full(Limit),
    /// The caller's clock is more than 2 s off the store's: its windows cannot be trusted.
    ClockSkew,
}

/// The answer to a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// It stays until it is settled.
    Pinned,
    /// The hold had expired: nothing is reserved.
    Expired,
}

/// Caps. Every call is idempotent by the reservation's id.
pub trait Caps: Send + Sync + 'static {
    /// Reserves all counters of one reservation in one step, until `expires`.
    fn hold(
        &self,
        reservation: &Reservation,
        now: Timestamp,
        expires: Timestamp,
    ) -> impl Future<Output = Result<Held, StoreError>> + Send;

    /// Makes a hold permanent, before the post leaves.
    fn pin(
        &self,
        id: ReservationId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Pinned, StoreError>> + Send;

    /// Gives back what a hold, or a pin, has not used. What is settled stays as it is.
    fn release(
        &self,
        id: ReservationId,
        usage: Usage,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Ends a pin: what is used is committed, the rest released. The router's call is provisional until the outcome is
    /// acknowledged; the fold's call sets the final state whatever was set before, and carries the
    /// reservation so that a store that never saw it can count it.
    fn settle(
        &self,
        reservation: &Reservation,
        usage: Usage,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What is reserved of each counter: a hint for eligibility, read in one call.
    fn used(
        &self,
        counters: &[CounterKey],
    ) -> impl Future<Output = Result<Vec<i64>, StoreError>> + Send;
}
