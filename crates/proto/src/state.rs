//! The state of an identity that was told nothing, written from parts that somebody else owns: most visitors' are
//! like this, and each is written twice on its way out of memory.

use crate::touch::{begin, bytes, field_len, message_len, number, number_len};

/// Encodes as the `JourneyState` of the same parts does.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the members of `JourneyState`")]
pub struct StateRecord<'a> {
    pub identity: PartyRecord<'a>,
    pub revision: u32,
    pub newest_us: i64,
    pub capped: bool,
}

/// Encodes as the `Party` that has this id.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the members of `Party`")]
pub enum PartyRecord<'a> {
    Visitor(&'a [u8]),
    Click(&'a [u8]),
    Person(&'a [u8]),
    Key(&'a [u8]),
}

/// Encodes as the `KeptEntry` of the same parts does.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the members of `KeptEntry`")]
pub struct KeptRecord<'a> {
    pub ts_us: i64,
    pub id: &'a [u8],
    pub kind: u32,
    pub rest: &'a [u8],
}

impl StateRecord<'_> {
    /// Adds its bytes, with these entries.
    pub fn encode<'e>(
        &self,
        entries: impl Iterator<Item = KeptRecord<'e>> + Clone,
        out: &mut Vec<u8>,
    ) {
        let (tag, id) = self.identity.member();
        let party = field_len(tag, id);
        let revision = i64::from(self.revision);
        let capped = i64::from(self.capped);
        let lengths = entries.clone().map(|entry| message_len(4, entry.len()));
        out.reserve(
            message_len(1, party)
                + number_len(2, revision)
                + number_len(3, self.newest_us)
                + lengths.sum::<usize>()
                + number_len(5, capped),
        );
        begin(out, 1, party);
        bytes(out, tag, id);
        number(out, 2, revision);
        number(out, 3, self.newest_us);
        for entry in entries {
            begin(out, 4, entry.len());
            number(out, 1, entry.ts_us);
            bytes(out, 2, entry.id);
            number(out, 3, i64::from(entry.kind));
            bytes(out, 4, entry.rest);
        }
        number(out, 5, capped);
    }
}

impl<'a> PartyRecord<'a> {
    fn member(self) -> (u32, &'a [u8]) {
        match self {
            Self::Visitor(id) => (1, id),
            Self::Click(id) => (2, id),
            Self::Person(id) => (3, id),
            Self::Key(id) => (4, id),
        }
    }
}

impl KeptRecord<'_> {
    fn len(&self) -> usize {
        number_len(1, self.ts_us)
            + field_len(2, self.id)
            + number_len(3, i64::from(self.kind))
            + field_len(4, self.rest)
    }
}
