//! A visitor's events, as records of a log and as what they mean for journeys.

use bytes::Bytes;
use domain::{ClickId, TrackKey, VisitorId};
use proto::{Conversion, JourneyBody, JourneyEntry, TouchEntry};
use store::{Ack, EventLog as _, Identity, JourneyUpdate, News, Record, Topic};
use store_local::LocalLog;
use testkit::SeededEntropy;

use crate::scene::wall;

pub(crate) struct Tracks(pub(crate) Vec<JourneyUpdate>);

impl Tracks {
    /// Clicks of one visitor, and conversions that come before their clicks.
    pub(crate) fn of_a_visitor(clicks: u8) -> Self {
        let (entropy, key, now) = (SeededEntropy::new(3), TrackKey::new([3; 32]), wall());
        let visitor = VisitorId::mint(now, &entropy, &key);
        let mut updates = Vec::new();
        for n in 0..clicks {
            let click = ClickId::mint(now, &entropy, &visitor, &key);
            let ts_us = now.as_micros() + i64::from(n);
            let update = |identity, id: u8, body| JourneyUpdate {
                identity,
                ts_us,
                news: News::Event(JourneyEntry {
                    id: vec![id; 16],
                    ts_us,
                    click_id: click.as_bytes().to_vec(),
                    body: Some(body),
                    ..JourneyEntry::default()
                }),
            };
            let converted = JourneyBody::Conversion(Conversion::default());
            updates.push(update(Identity::Click(click), 100 + n, converted));
            let touched = JourneyBody::Touch(TouchEntry::default());
            updates.push(update(Identity::Visitor(visitor), n, touched));
        }
        Self(updates)
    }

    /// A record for each, which names it by its number.
    pub(crate) async fn append(&self, log: &LocalLog) {
        for n in 0..self.0.len() {
            let payload = Bytes::from(vec![u8::try_from(n).unwrap()]);
            let appended = log.append(Topic::Events, 0, payload, Ack::Durable);
            appended.await.unwrap();
        }
    }

    pub(crate) fn meaning(&self, record: &Record) -> Vec<JourneyUpdate> {
        let n = usize::from(record.payload[0]);
        vec![self.0[n].clone()]
    }
}
