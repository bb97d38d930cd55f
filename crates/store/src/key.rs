//! Partition keys: what has to be read in order shares one. Producers and stores use these alone.

use domain::{AuctionId, LeadId};
use proto::{EventBody, EventRecord, RecordError};
use sha2::{Digest, Sha256};

/// The key of a lead's records in topic `leads`: its random half.
pub fn lead(lead: LeadId) -> u64 {
    random_half(lead.as_bytes())
}

/// The key of a quote's record in topic `leads`.
pub fn auction(auction: AuctionId) -> u64 {
    random_half(auction.as_bytes())
}

/// The key of a record of topic `events`: the shard that its click or visitor carries, else the hash
/// of the order it names, else the first hash of the person it names, else its own id.
///
/// # Errors
/// An id or a hash of the record has the wrong length.
pub fn event(record: &EventRecord) -> Result<u64, RecordError> {
    if let Some(click) = record.click()? {
        return Ok(click.shard().into());
    }
    if let Some(visitor) = record.visitor_id()? {
        return Ok(visitor.shard().into());
    }
    match &record.body {
        Some(EventBody::Conversion(conversion)) if !conversion.txid.is_empty() => {
            let mut hash = Sha256::new();
            for part in [&conversion.campaign, &conversion.goal, &conversion.txid] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
            let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
            Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
        }
        _ => match record.persons()?.first() {
            Some(person) => Ok(random_half(person)),
            None => Ok(random_half(record.event_id()?.as_bytes())),
        },
    }
}

fn random_half(id: &[u8; 16]) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *id;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ClickId;
    use proto::Conversion;

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
        let person = |hashes: &[u8], txid: &str| {
            event(&EventRecord {
                person: hashes.iter().map(|byte| vec![*byte; 16]).collect(),
                ..conversion(txid)
            })
        };
        assert_eq!(person(&[2, 3], ""), Ok(0x0202_0202_0202_0202));
        assert_eq!(person(&[2, 3], "o1"), event(&conversion("o1")));
    }
}
