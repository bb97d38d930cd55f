//! Events of one origin in (event time, id) order, each once, and never more than a limit.

use std::sync::Arc;

use proto::{JourneyBody, JourneyEntry, Message as _};

/// The events. Of too many the smallest by (event time, id) are kept, whatever came first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Events(Arc<[JourneyEntry]>);

/// What became of an event that was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It is there, and was not.
    New,
    /// It was there.
    Known,
    /// It is there, and another had to go.
    Displaced,
    /// There is no room for it.
    Dropped,
}

impl Events {
    pub(super) fn put(&mut self, entry: JourneyEntry, most: usize) -> Put {
        let known = self.0.iter().find(|known| known.id == entry.id);
        // Of two versions of one event the smaller encoding is kept, whichever came first.
        if known.is_some_and(|known| known.encode_to_vec() <= entry.encode_to_vec()) {
            return Put::Known;
        }
        let fresh = known.is_none();
        let place = |entry: &JourneyEntry| (entry.ts_us, entry.id.clone());
        let at = self.0.partition_point(|known| place(known) < place(&entry));
        if fresh && at >= most {
            return Put::Dropped;
        }
        let (before, after) = self.0.split_at(at);
        let others = |range: &[JourneyEntry]| {
            let others = range.iter().filter(|other| other.id != entry.id);
            others.cloned().collect::<Vec<_>>()
        };
        let (mut more, after) = (others(before), others(after));
        more.push(entry);
        more.extend(after);
        let put = if more.len() > most {
            Put::Displaced
        } else {
            Put::New
        };
        more.truncate(most);
        self.0 = more.into();
        put
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &JourneyEntry> {
        self.0.iter()
    }

    pub(super) fn shared(&self) -> Arc<[JourneyEntry]> {
        Arc::clone(&self.0)
    }
}

impl From<Vec<JourneyEntry>> for Events {
    fn from(entries: Vec<JourneyEntry>) -> Self {
        Self(entries.into())
    }
}

impl Put {
    /// Whether the journey is another one now.
    pub(super) fn changed(self) -> bool {
        matches!(self, Self::New | Self::Displaced)
    }

    /// Whether the event is in it.
    pub(super) fn kept(self) -> bool {
        self != Self::Dropped
    }

    /// Whether it is full.
    pub(super) fn capped(self) -> bool {
        matches!(self, Self::Displaced | Self::Dropped)
    }
}

/// Whether it is a touch that can be credited.
pub(super) fn creditable(entry: &JourneyEntry) -> bool {
    matches!(&entry.body, Some(JourneyBody::Touch(touch)) if !touch.flagged)
}

pub(super) fn is_conversion(entry: &JourneyEntry) -> bool {
    matches!(entry.body, Some(JourneyBody::Conversion(_)))
}
