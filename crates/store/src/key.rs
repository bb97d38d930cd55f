//! Partition keys: what has to be read in order shares one. Producers and stores use these alone.

use domain::{AuctionId, LeadId};
use proto::{Conversion, EventBody, EventRecord, RecordError};
use sha2::{Digest, Sha256};

use crate::{Identity, Telling};

/// The key of a lead's records in topic `leads`: its random half.
pub fn lead(lead: LeadId) -> u64 {
    random_half(lead.as_bytes())
}

/// The key of a quote's record in topic `leads`.
pub fn auction(auction: AuctionId) -> u64 {
    random_half(auction.as_bytes())
}

/// The key of what an identity has and is told.
pub fn identity(identity: &Identity) -> u64 {
    match identity {
        Identity::Visitor(visitor) => visitor.shard().into(),
        Identity::Click(click) => click.shard().into(),
        Identity::Person(hash) | Identity::Key(hash) => random_half(hash),
    }
}

/// The identity of an order: the hash of campaign, goal and the advertiser's order id.
pub fn order(campaign: &str, goal: &str, txid: &str) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in ["order", campaign, goal, txid] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let mut order = [0; 16];
    for (to, from) in order.iter_mut().zip(hash) {
        *to = from;
    }
    order
}

/// The key of a record of topic `events`: that of [`owner`].
///
/// # Errors
/// An id or a hash of the record has the wrong length.
pub fn event(record: &EventRecord) -> Result<u64, RecordError> {
    match &record.body {
        Some(EventBody::Told(told)) => Ok(identity(&Telling::read(told, record.ts_us)?.to)),
        _ => owner(record).map(|owner| identity(&owner)),
    }
}

/// The order that a conversion follows from, whose journey it inherits.
fn parent(said: &Conversion) -> Identity {
    Identity::Key(order(&said.campaign, &said.parent_goal, &said.parent))
}

/// Whose journey has an event: the order that it follows from, else its click, else the order it names, else its visitor, else itself. A
/// touch is its visitor's.
///
/// # Errors
/// An id or a hash of the record has the wrong length.
pub fn owner(record: &EventRecord) -> Result<Identity, RecordError> {
    let itself = Identity::Key(*record.event_id()?.as_bytes());
    let visitor = record.visitor_id()?.map(Identity::Visitor);
    let click = record.click()?.map(Identity::Click);
    Ok(match &record.body {
        Some(EventBody::Click(_) | EventBody::Impression(_)) => visitor.or(click).unwrap_or(itself),
        Some(EventBody::Conversion(said)) if unmatched(said) => itself,
        Some(EventBody::Conversion(said)) if !said.parent.is_empty() => parent(said),
        Some(EventBody::Conversion(said)) if click.is_none() && !said.txid.is_empty() => {
            Identity::Key(order(&said.campaign, &said.goal, &said.txid))
        }
        _ => click.or(visitor).unwrap_or(itself),
    })
}

/// Whether a macro was left unexpanded: such a report is matched with nothing.
pub(crate) fn unmatched(said: &Conversion) -> bool {
    said.flags.iter().any(|flag| flag == "invalid_macro")
}

fn random_half(id: &[u8; 16]) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *id;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ClickId;

    #[test]
    fn a_conversion_shares_the_key_of_its_click_or_else_of_its_order() {
        let mut click = [7; 24];
        click[16..18].copy_from_slice(&513_u16.to_be_bytes());
        let conversion = |txid: &str| EventRecord {
            id: vec![1; 16],
            body: Some(EventBody::Conversion(Conversion {
                txid: txid.to_owned(),
                ..Conversion::default()
            })),
            ..EventRecord::default()
        };
        let named = EventRecord {
            click_id: click.to_vec(),
            ..conversion("o1")
        };
        assert_eq!(
            event(&named),
            Ok(u64::from(ClickId::from_bytes(click).shard()))
        );
        assert_eq!(event(&conversion("o1")), event(&conversion("o1")));
        assert_ne!(event(&conversion("o1")), event(&conversion("o2")));
        assert_eq!(event(&conversion("")), Ok(0x0101_0101_0101_0101));
        // Persons are looked back on, and own nothing.
        let of_a_person = |txid: &str| {
            event(&EventRecord {
                person: vec![vec![2; 16]],
                ..conversion(txid)
            })
        };
        assert_eq!(of_a_person(""), event(&conversion("")));
        assert_eq!(of_a_person("o1"), event(&conversion("o1")));
    }
}
