//! What crate `fuzz` tries on batches, their compression and postbacks.

use std::borrow::Cow;

use catalog::Snapshot;
use domain::{Entropy, Timestamp, TrackKey};
use store::{Sealer, key};

use crate::conversion::{Door, Said};
use crate::event::{self, Context, Memory, Refused, Sender};
use crate::fields::Fields;
use crate::head::Desk;
use crate::inflate::Encoding;
use crate::members::{Events, array, lines};
use crate::phones;

/// Most events of a batch here.
const EVENTS: usize = 50;

/// An edge's secrets and its moment.
pub struct Bench {
    key: TrackKey,
    sealer: Sealer,
    now: Timestamp,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            key: TrackKey::new([4; 32]),
            sealer: Sealer::new([1; 32], [2; 32]),
            now: Timestamp::from_micros(1_800_000_000_000_000),
        }
    }
}

impl Bench {
    fn desk<'a>(&'a self, source: &'a str) -> Desk<'a> {
        Desk {
            key: &self.key,
            sealer: &self.sealer,
            received: self.now,
            source,
            country: None,
        }
    }

    /// Reads a batch in both of its forms, as everybody who may send one.
    ///
    /// # Panics
    /// A promise is broken.
    pub fn batch(&self, snapshot: &Snapshot, entropy: &dyn Entropy, body: &[u8]) {
        let publisher = snapshot.publishers.keys().next().map(Sender::Publisher);
        let advertiser = snapshot.campaigns.keys().next().map(Sender::Advertiser);
        let others = [Sender::Operator, Sender::Tag("https://quotes.example")];
        for sender in publisher.into_iter().chain(advertiser).chain(others) {
            for split in [array, lines] {
                let Ok(events) = split(body, EVENTS) else {
                    continue;
                };
                assert!(events.len() <= EVENTS, "more events than allowed");
                self.events(snapshot, entropy, sender, events);
            }
        }
    }

    fn events(
        &self,
        snapshot: &Snapshot,
        entropy: &dyn Entropy,
        sender: Sender<'_>,
        events: Events<'_>,
    ) {
        let mut memory = Memory::default();
        for mut members in events.into_iter().flatten() {
            let context = Context {
                snapshot,
                sender,
                desk: self.desk("fuzz"),
                entropy,
                browser: None,
            };
            match event::read(&mut members, &context, &mut memory) {
                Ok(ready) => {
                    let length = ready.record.map(|record| record.len());
                    let fits = length.is_ok_and(|length| length < 64 << 10);
                    assert!(fits, "an event without a key, or a record that grew");
                }
                Err(Refused::Invalid(issues)) => {
                    assert!(!issues.is_empty(), "refused for nothing");
                }
                Err(Refused::Forbidden(_)) => {}
            }
        }
    }

    /// Reads the parameters of a postback on every campaign.
    ///
    /// # Panics
    /// A promise is broken.
    pub fn postback(
        &self,
        snapshot: &Snapshot,
        entropy: &dyn Entropy,
        pairs: &[(Cow<'_, str>, Cow<'_, str>)],
    ) {
        for campaign in snapshot.campaigns.values() {
            let mut pairs = pairs.to_vec();
            for (name, _) in &mut pairs {
                *name = Cow::Owned(campaign.postback.parameter(name).to_owned());
            }
            let desk = Desk {
                country: phones::country(Some(campaign)),
                ..self.desk("fuzz")
            };
            for door in [Door::Postback, Door::Pixel] {
                match Said::read(Fields::of(&pairs), campaign, door, &desk) {
                    Ok(said) => {
                        let id = said.event_id(&self.sealer);
                        let id = id.unwrap_or_else(|| said.head.id(self.now, entropy));
                        let record = said.record(id, &desk, []);
                        assert!(key::event(&record).is_ok(), "a conversion without a key");
                    }
                    Err(issues) => assert!(!issues.is_empty(), "refused for nothing"),
                }
            }
        }
    }
}

/// Decodes a body in every encoding there is.
///
/// # Panics
/// One grew beyond its limit.
pub fn inflate(body: &[u8], most: usize) {
    for name in ["gzip", "zstd", "br", "identity"] {
        let encoding = Encoding::of(Some(name));
        if let Some(Ok(out)) = encoding.map(|encoding| encoding.inflate(body, most)) {
            assert!(out.len() <= most, "{name} grew to {} bytes", out.len());
        }
    }
}
