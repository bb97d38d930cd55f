//! Journeys: a visitor's events in (event time, id) order, with a revision that rises with each change.
//!
//! An update says whose event it is only as far as the event itself knows. A touch names its visitor
//! and its click, and so teaches the store click -> visitor; a conversion names the click alone. A
//! conversion that comes before its click waits in a journey of that click's own, which the visitor's
//! journey absorbs when the touch arrives: any order of the same events ends in the same journey.

use std::future::Future;
use std::sync::Arc;

use domain::{ClickId, VisitorId};
use proto::JourneyEntry;

use crate::StoreError;

/// Whose journey an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A visitor.
    Visitor(VisitorId),
    /// The visitor of this click, whoever that is; of nobody while the click is not known.
    Click(ClickId),
    /// Nobody is named: the hash of what the event names instead (an order, or itself).
    Key([u8; 16]),
}

/// An event to put into a journey.
#[derive(Debug, Clone, PartialEq)]
pub struct JourneyUpdate {
    /// Whose it is.
    pub identity: Identity,
    /// The event. One the journey has already changes nothing (of two versions of one id the
    /// smaller encoding is kept). A touch under [`Identity::Visitor`] with a `click_id` makes that
    /// click the visitor's, from then on, and absorbs what waited for the click.
    pub entry: JourneyEntry,
}

/// A journey after an update.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    /// Whose it is: never a click whose visitor is known.
    pub identity: Identity,
    /// Rises by one with each entry that changes the journey, and to one more than both when it
    /// absorbs another: the same updates in the same order give the same revision however they are
    /// batched, so equal revisions of a journey mean equal entries.
    pub revision: u32,
    /// All its events in (event time, id) order.
    pub entries: Arc<[JourneyEntry]>,
}

/// Journeys.
pub trait Journeys: Send + Sync + 'static {
    /// Inserts events in this order and returns each journey they belong to whole and once, also
    /// one that did not change. `through` is the place in the log of topic `events` up to which the
    /// updates of a partition reach: (partition, next offset). A backend that snapshots uses it.
    fn apply(
        &self,
        updates: Vec<JourneyUpdate>,
        through: (u16, u64),
    ) -> impl Future<Output = Result<Vec<Journey>, StoreError>> + Send;
}
