//! A publisher's server that sends batches of clicks.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use domain::Timestamp;
use loadtest::closed::User;
use loadtest::wire::{self, Message};

/// Events of a batch.
pub(crate) const BATCH: usize = 100;
const KEY: &str = "authorization: Bearer load-key-of-north\r\n";

/// One of its connections.
pub(crate) struct Sender {
    number: u32,
    /// When all of it happened.
    at: Timestamp,
    sent: u64,
}

impl Sender {
    pub(crate) fn new(number: u32, at: Timestamp) -> Self {
        Self {
            number,
            at,
            sent: 0,
        }
    }

    fn batch(&self) -> String {
        let mut body = String::with_capacity(BATCH * 400);
        let Self { number, at, .. } = self;
        for (place, comma) in (self.sent..).zip(std::iter::once('[').chain([','; BATCH - 1])) {
            let link = if place % 2 == 0 { "north-a" } else { "north-b" };
            body.push(comma);
            // Writing to a string does not fail.
            let _ = write!(
                body,
                r#"{{"type":"click","id":"north-{number}-{place}","ts":"{at}","link":"{link}","visitor":"user-{number}-{}","ip":"203.0.113.{}","user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36","referrer":"https://search.example/results","s1":"google","s2":"adset-{}","gclid":"g-{number}-{place}"}}"#,
                place / 4,
                place % 250,
                place % 10,
            );
        }
        body.push(']');
        body
    }
}

impl User for Sender {
    fn next(&mut self) -> Vec<u8> {
        wire::post("/v1/events", KEY, self.batch().as_bytes())
    }

    fn heard(&mut self, answer: Message<'_>) -> Result<()> {
        let whole = format!("\"accepted\":{BATCH},");
        let taken = String::from_utf8_lossy(answer.body).contains(&whole);
        ensure!(
            answer.status() == Some(200) && taken,
            "a batch was answered {:?} {:.500}",
            answer.head,
            String::from_utf8_lossy(answer.body)
        );
        self.sent += BATCH as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_json_and_no_event_comes_twice() {
        let mut sender = Sender::new(7, Timestamp::from_micros(5));
        let mut ids = std::collections::BTreeSet::new();
        for _ in 0..2 {
            let events: Vec<serde_json::Value> = serde_json::from_str(&sender.batch()).unwrap();
            assert_eq!(events.len(), BATCH);
            ids.extend(events.iter().map(|event| event["id"].to_string()));
            sender.sent += BATCH as u64;
        }
        assert_eq!(ids.len(), 2 * BATCH);
    }
}
