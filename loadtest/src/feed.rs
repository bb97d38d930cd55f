//! Events into the log as an edge writes them: visitors who click four times, every fifth of whom converts.

use domain::{ClickId, Entropy, EventId, Timestamp, TrackKey, VisitorId};
use proto::{Click, Conversion, EventBody, EventRecord, Message as _};
use store::key;

/// Clicks of a visitor.
pub const CLICKS: u64 = 4;
/// Of so many visitors one converts.
const CONVERTS: u64 = 5;
/// Events of so many visitors follow the same steps again.
const ROUND: u64 = CONVERTS * CLICKS + 1;

/// What comes next.
pub struct Feed {
    key: TrackKey,
    next: u64,
}

/// An event and the partition it belongs to.
pub struct Fed {
    /// The record's bytes.
    pub record: Vec<u8>,
    /// Its partition.
    pub partition: i32,
}

impl Feed {
    /// Begins. Another key makes other visitors.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key: TrackKey::new(key),
            next: 0,
        }
    }

    /// The next event, which happens now; `partitions` is how many the log has.
    pub fn next(&mut self, now: Timestamp, partitions: u16) -> Fed {
        let event = self.event(now);
        // Every event of ours has an owner.
        let key = key::event(&event).unwrap_or_default();
        Fed {
            record: event.encode_to_vec(),
            partition: i32::from((key % u64::from(partitions.max(1))) as u16),
        }
    }

    fn event(&mut self, now: Timestamp) -> EventRecord {
        let (round, step) = (self.next / ROUND, self.next % ROUND);
        self.next += 1;
        // The conversion is the last visitor's, by the last click.
        let click = step.min(ROUND - 2);
        let visitor = round * CONVERTS + click / CLICKS;
        let visitor = VisitorId::derive(spread(visitor, 1), &self.key);
        let id = spread(round * ROUND + click, 2);
        let clicked = ClickId::derive(id, &visitor, &self.key);
        let event = EventRecord {
            id: minted(now, id),
            ts_us: now.as_micros(),
            received_us: now.as_micros(),
            click_id: clicked.as_bytes().to_vec(),
            ..EventRecord::default()
        };
        if click == step {
            return EventRecord {
                visitor: visitor.as_bytes().to_vec(),
                body: Some(EventBody::Click(a_click(click))),
                ..event
            };
        }
        let order = round.to_string();
        EventRecord {
            id: minted(now, spread(round, 3)),
            body: Some(EventBody::Conversion(Conversion {
                campaign: "load".to_owned(),
                goal: "policy_bound".to_owned(),
                txid: format!("order-{order}"),
                amount_micros: Some(25_000_000),
                currency: "USD".to_owned(),
                status: "approved".to_owned(),
                source: "postback".to_owned(),
                ..Conversion::default()
            })),
            ..event
        }
    }
}

fn a_click(number: u64) -> Click {
    let own = |text: &str| text.to_owned();
    let (publisher, link) = match number % 3 {
        0 => ("north", "north-a"),
        1 => ("north", "north-b"),
        _ => ("south", "south-a"),
    };
    Click {
        link: own(link),
        publisher: own(publisher),
        offer: own("quotes"),
        campaign: own("load"),
        sub: [("s1", "google"), ("s2", "adset-7")]
            .map(|(name, value)| (own(name), own(value)))
            .into(),
        ad_ids: [(own("gclid"), format!("g-{number}"))].into(),
        landing: own("quotes.example/load"),
        referrer: own("search.example/results"),
        ip_prefix: own("203.0.113.0/24"),
        ip_hash: vec![7; 16],
        device: own("desktop"),
        os: own("windows"),
        flags: Vec::new(),
        source: own("redirect"),
    }
}

/// What is to be drawn.
struct Drawn([u8; 16]);

impl Entropy for Drawn {
    fn fill(&self, out: &mut [u8]) {
        for (to, from) in out.iter_mut().zip(self.0) {
            *to = from;
        }
    }
}

/// An event's id as an edge mints it: those of a time are near each other in a table.
fn minted(now: Timestamp, drawn: [u8; 16]) -> Vec<u8> {
    EventId::mint(now, &Drawn(drawn)).as_bytes().to_vec()
}

/// Sixteen bytes that look drawn, apart by `kind`; the same of the same number.
fn spread(number: u64, kind: u64) -> [u8; 16] {
    // The finalizer of SplitMix64: every bit of the number is in every bit of the result.
    let mix = |seed: u64| {
        let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let halves = [mix(number * 8 + kind), mix(number * 8 + kind + 4)];
    let mut bytes = [0; 16];
    for (to, from) in bytes
        .iter_mut()
        .zip(halves.map(u64::to_be_bytes).as_flattened())
    {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_fifth_visitor_converts_on_the_partition_of_the_click() {
        let mut feed = Feed::new([9; 32]);
        let (mut clicks, mut conversions) = (BTreeMap::new(), Vec::new());
        let (mut ids, mut visitors) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..10 * ROUND {
            let fed = feed.next(Timestamp::from_micros(5), 4);
            let event = EventRecord::decode(fed.record.as_slice()).unwrap();
            assert!(ids.insert(event.id.clone()), "an id came twice");
            match event.body {
                Some(EventBody::Click(_)) => {
                    visitors.insert(event.visitor);
                    clicks.insert(event.click_id, fed.partition);
                }
                _ => conversions.push((event.click_id, fed.partition)),
            }
        }
        assert_eq!(
            (clicks.len(), visitors.len(), conversions.len()),
            (200, 50, 10)
        );
        for (click, partition) in conversions {
            assert_eq!(clicks.get(&click), Some(&partition));
        }
    }
}
