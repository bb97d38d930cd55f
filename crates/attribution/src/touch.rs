//! A touch: a moment at which a visitor met an advertisement.

use domain::{ClickId, EventId, Timestamp};

/// A click or a view that can be credited. Ordered by event time, then id: the order of a journey.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touch {
    /// Event time.
    pub at: Timestamp,
    /// The event.
    pub id: EventId,
    /// What it was.
    pub kind: TouchKind,
    /// The click, as the outside knows it.
    pub click: Option<ClickId>,
    /// Who sent the visitor.
    pub publisher: String,
    /// Over which link.
    pub link: String,
    /// To which campaign.
    pub campaign: String,
}

/// What a touch was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TouchKind {
    /// The visitor followed a link.
    Click,
    /// The visitor was shown an advertisement.
    View,
}

impl Touch {
    /// What names the touch outside: its click, else its event.
    pub fn name(&self) -> String {
        match self.click {
            Some(click) => click.to_string(),
            None => self.id.to_string(),
        }
    }
}
