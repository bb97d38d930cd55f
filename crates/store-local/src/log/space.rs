//! Which part of the disk a record may use: what begins work stops at the reserve, what ends it does
//! not, so that every outcome under way still finds its place.

use journal::Space;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use store::Topic;

/// Field numbers of `LeadRecord.body` that begin something: `received` and `quoted`.
const BEGINS: [u32; 2] = [10, 11];

/// Which part of the disk a record of this topic may use.
pub fn of(topic: Topic, record: &[u8]) -> Space {
    match topic {
        Topic::Events | Topic::Catalog => Space::Admit,
        Topic::Leads if begins(record) => Space::Admit,
        Topic::Leads => Space::Reserve,
    }
}

/// Looks at the keys of the record's fields only.
fn begins(mut record: &[u8]) -> bool {
    while let Ok((field, wire)) = decode_key(&mut record) {
        if BEGINS.contains(&field) {
            return true;
        }
        if skip_field(wire, field, &mut record, DecodeContext::default()).is_err() {
            break;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::{LeadBody, LeadRecord, Message, Outcome, Posting, Quoted, Received};

    #[test]
    fn only_what_begins_is_stopped_by_the_reserve() {
        let space = |body| {
            let record = LeadRecord {
                subject: vec![7; 16],
                n: 3,
                at_us: 1_700_000_000_000_000,
                instance: 9,
                body: Some(body),
            };
            of(Topic::Leads, &record.encode_to_vec())
        };
        assert_eq!(space(LeadBody::Received(Received::default())), Space::Admit);
        assert_eq!(space(LeadBody::Quoted(Quoted::default())), Space::Admit);
        assert_eq!(space(LeadBody::Posting(Posting::default())), Space::Reserve);
        assert_eq!(space(LeadBody::Outcome(Outcome::default())), Space::Reserve);
        assert_eq!(of(Topic::Events, b"click"), Space::Admit);
    }
}
