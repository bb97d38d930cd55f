//! Events of one origin in (event time, id) order, each once, and never more than a limit. There are
//! millions and they are seldom read: each is kept as its encoding beside its place.

use domain::{ClickId, EventId};
use proto::{
    ClickRead, JourneyBody, JourneyEntry, KeptEntry, KeptRecord, Message as _, RecordError,
};

/// The events. Of too many the smallest by (event time, id) are kept, whatever came first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Events(Box<[Kept]>);

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    ts_us: i64,
    id: EventId,
    kind: Kind,
    /// The entry without its time and id.
    encoded: Box<[u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A touch that can be credited.
    Touch,
    Conversion,
    Other,
}

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

/// A click of a visitor, as it is kept from then on.
#[derive(Debug, Clone, PartialEq)]
pub struct Clicked {
    pub(super) kept: Kept,
    pub(super) click: ClickId,
}

impl Clicked {
    /// What is kept of a click's record, if it can be; where it cannot, somebody else says what is wrong with it.
    pub(super) fn new(read: &ClickRead<'_>) -> Option<Self> {
        let kept = Kept {
            ts_us: read.ts_us,
            id: EventId::from_bytes(read.id.try_into().ok()?),
            kind: match read.is_flagged() {
                true => Kind::Other,
                false => Kind::Touch,
            },
            encoded: read.kept().into(),
        };
        let click = ClickId::from_bytes(read.click_id.try_into().ok()?);
        Some(Self { kept, click })
    }
}

impl Kept {
    fn new(mut entry: JourneyEntry) -> Result<Self, RecordError> {
        let (id, ts_us) = (entry.event_id()?, entry.ts_us);
        let kind = match &entry.body {
            _ if creditable(&entry) => Kind::Touch,
            Some(JourneyBody::Conversion(_)) => Kind::Conversion,
            Some(JourneyBody::Touch(_)) | None => Kind::Other,
        };
        entry.id.clear();
        entry.ts_us = 0;
        Ok(Self {
            ts_us,
            id,
            kind,
            encoded: entry.encode_to_vec().into(),
        })
    }

    /// Whether it can be credited.
    pub(super) fn is_creditable(&self) -> bool {
        self.kind == Kind::Touch
    }

    /// The entry again; what was encoded here decodes.
    pub(super) fn entry(&self) -> JourneyEntry {
        let rest = JourneyEntry::decode(&*self.encoded).unwrap_or_default();
        JourneyEntry {
            id: self.id.as_bytes().to_vec(),
            ts_us: self.ts_us,
            ..rest
        }
    }

    fn version(&self) -> (i64, &[u8]) {
        (self.ts_us, &self.encoded)
    }

    fn place(&self) -> (i64, EventId) {
        (self.ts_us, self.id)
    }
}

impl Events {
    /// Puts one in. One whose id cannot be read has no place.
    pub(super) fn put(&mut self, entry: &JourneyEntry, most: usize) -> Put {
        match Kept::new(entry.clone()) {
            Ok(entry) => self.keep(entry, most),
            Err(_) => Put::Dropped,
        }
    }

    /// Puts in one that is as it is kept.
    pub(super) fn keep(&mut self, entry: Kept, most: usize) -> Put {
        let known = self.0.iter().find(|known| known.id == entry.id);
        // Of two versions of one event the smaller is kept, whichever came first.
        if known.is_some_and(|known| known.version() <= entry.version()) {
            return Put::Known;
        }
        let fresh = known.is_none();
        let at = self
            .0
            .partition_point(|known| known.place() < entry.place());
        if fresh && at >= most {
            return Put::Dropped;
        }
        let mut all = std::mem::take(&mut self.0).into_vec();
        if fresh {
            all.reserve_exact(1);
            all.insert(at, entry);
        } else {
            all.retain(|known| known.id != entry.id);
            let at = all.partition_point(|known| known.place() < entry.place());
            all.insert(at, entry);
        }
        let put = if all.len() > most {
            Put::Displaced
        } else {
            Put::New
        };
        all.truncate(most);
        self.0 = all.into();
        put
    }

    /// As a state has them.
    pub(super) fn record(&self) -> Vec<KeptEntry> {
        let kept = self.records().map(|kept| KeptEntry {
            ts_us: kept.ts_us,
            id: kept.id.to_vec(),
            kind: kept.kind,
            rest: kept.rest.to_vec(),
        });
        kept.collect()
    }

    /// The same in place.
    pub(super) fn records(&self) -> impl Iterator<Item = KeptRecord<'_>> + Clone {
        self.0.iter().map(|kept| KeptRecord {
            ts_us: kept.ts_us,
            id: kept.id.as_bytes(),
            kind: match kept.kind {
                Kind::Other => 0,
                Kind::Touch => 1,
                Kind::Conversion => 2,
            },
            rest: &kept.encoded,
        })
    }

    /// From a state.
    pub(super) fn read(entries: Vec<KeptEntry>) -> Result<Self, RecordError> {
        let kept = entries.into_iter().map(|entry| {
            let id = entry.id.as_slice().try_into();
            Ok(Kept {
                ts_us: entry.ts_us,
                id: EventId::from_bytes(id.map_err(|_| RecordError::Field("id"))?),
                kind: match entry.kind {
                    0 => Kind::Other,
                    1 => Kind::Touch,
                    2 => Kind::Conversion,
                    _ => return Err(RecordError::Field("kind")),
                },
                encoded: entry.rest.into(),
            })
        });
        Ok(Self(kept.collect::<Result<_, _>>()?))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = JourneyEntry> {
        self.0.iter().map(Kept::entry)
    }

    pub(super) fn has_conversion(&self) -> bool {
        self.0.iter().any(|kept| kept.kind == Kind::Conversion)
    }

    pub(super) fn conversions(&self) -> impl Iterator<Item = JourneyEntry> {
        self.of(Kind::Conversion)
    }

    /// Touches that can be credited.
    pub(super) fn touches(&self) -> impl Iterator<Item = JourneyEntry> {
        self.of(Kind::Touch)
    }

    /// All but those.
    pub(super) fn rest(&self) -> impl Iterator<Item = JourneyEntry> {
        let rest = self.0.iter().filter(|kept| kept.kind != Kind::Touch);
        rest.map(Kept::entry)
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = JourneyEntry> {
        let of_kind = self.0.iter().filter(move |kept| kept.kind == kind);
        of_kind.map(Kept::entry)
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
