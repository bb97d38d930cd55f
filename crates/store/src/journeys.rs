//! Journeys: a visitor's events in (event time, id) order, with a revision that rises with each change.

use std::future::Future;
use std::sync::Arc;

use domain::VisitorId;
use proto::JourneyEntry;

use crate::StoreError;

/// Events of one visitor to put into its journey.
#[derive(Debug, Clone)]
pub struct JourneyUpdate {
    /// The visitor.
    pub visitor: VisitorId,
    /// The events; one the journey has already changes nothing (of two versions of one id the
    /// smaller encoding is kept).
    pub entries: Vec<JourneyEntry>,
}

/// A journey after an update.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    /// The visitor.
    pub visitor: VisitorId,
    /// Rises with each change; equal revisions mean equal entries.
    pub revision: u32,
    /// All its events in (event time, id) order.
    pub entries: Arc<[JourneyEntry]>,
}

/// Journeys.
pub trait Journeys: Send + Sync + 'static {
    /// Inserts events and returns each journey whole, one per update and in the same order.
    /// `through` is the place in the log up to which the updates of a partition reach: (partition,
    /// next offset). A backend that snapshots uses it.
    fn apply(
        &self,
        updates: Vec<JourneyUpdate>,
        through: (u16, u64),
    ) -> impl Future<Output = Result<Vec<Journey>, StoreError>> + Send;
}
