//! What Gavel adds to its buyers' own time, and what the machine adds without Gavel.
//!
//! **Overhead**: one sample for each ping answer and one for each post answer: the client's answer time
//! less the service time of the buyers that were awaited for it, each at most its window. Pings of one
//! auction run side by side, so the slowest counts; posts of one lead run one after another, so they
//! add up. A ping of a direct post was awaited if the buyer had answered before the first post came.
//! **Control**: the client's answer time of a direct call less the buyer's service time.

use std::collections::HashMap;

use hdrhistogram::Histogram;
use sandbox::{Delivery, Entry, Kind};
use serde::Serialize;

use crate::book::{LeadTold, QuoteTold, Told, Way};
use crate::control::ControlCall;
use crate::steal::Seconds;

/// A minute in microseconds: nothing measured here is longer.
const LONGEST_US: u64 = 60_000_000;

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(missing_docs, reason = "percentiles of what their names say")]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
}

impl Percentiles {
    /// Of samples in microseconds; none of no samples. What is below zero counts as zero: the two
    /// clocks of a difference are read at different moments.
    pub fn of(samples: impl IntoIterator<Item = i64>) -> Option<Self> {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, LONGEST_US, 3).ok()?;
        for sample in samples {
            histogram.saturating_record(u64::try_from(sample).unwrap_or(0));
        }
        if histogram.is_empty() {
            return None;
        }
        let millis = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Some(Self {
            p50: millis(0.5),
            p99: millis(0.99),
            p999: millis(0.999),
        })
    }
}

/// One difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When the client had its answer, in microseconds since 1970.
    pub at_us: i64,
    /// The client's answer time.
    pub took_us: i64,
    /// That less what the buyers took.
    pub over_us: i64,
}

impl Sample {
    /// Whether it lies in quiet seconds.
    pub fn quiet(&self, seconds: &Seconds) -> bool {
        seconds.quiet(self.at_us - self.took_us, self.at_us)
    }
}

/// Journals by marker.
struct ByMarker<'a>(HashMap<&'a str, Vec<&'a Entry>>);

impl<'a> ByMarker<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut by_marker: HashMap<&str, Vec<&Entry>> = HashMap::new();
        for entry in entries {
            by_marker.entry(&entry.marker).or_default().push(entry);
        }
        Self(by_marker)
    }

    fn of_kind(&self, marker: &str, kind: Kind) -> impl Iterator<Item = &'a Entry> {
        let entries = self.0.get(marker).map(Vec::as_slice).unwrap_or_default();
        entries
            .iter()
            .copied()
            .filter(move |entry| entry.kind == kind)
    }
}

/// The samples of all pings and posts that were answered at the first attempt, on `campaign`.
pub fn overhead(told: &[Told], entries: &[Entry], campaign: &str) -> Vec<Sample> {
    let journals = ByMarker::of(entries);
    told.iter()
        .filter_map(|told| match told {
            Told::Quote(quote) if quote.attempts == 1 && quote.campaign == campaign => {
                Some(of_quote(quote, &journals))
            }
            Told::Lead(lead) if lead.attempts == 1 && lead.campaign == campaign => {
                Some(of_lead(lead, &journals))
            }
            _ => None,
        })
        .collect()
}

/// The samples of direct calls.
pub fn control(calls: &[ControlCall], entries: &[Entry]) -> Vec<Sample> {
    let journals = ByMarker::of(entries);
    calls
        .iter()
        .filter_map(|call| {
            let entry = journals.of_kind(&call.marker, Kind::Ping).next()?;
            let service = entry.service_us?;
            (entry.delivery == Delivery::Answered)
                .then(|| sample(call.at_us, call.took_us, service))
        })
        .collect()
}

fn of_quote(quote: &QuoteTold, journals: &ByMarker<'_>) -> Sample {
    let slowest = journals
        .of_kind(&quote.marker, Kind::Ping)
        .map(awaited)
        .max();
    sample(quote.at_us, quote.took_us, slowest.unwrap_or(0))
}

fn of_lead(lead: &LeadTold, journals: &ByMarker<'_>) -> Sample {
    let posts = || journals.of_kind(&lead.marker, Kind::Post);
    let first_post = posts().map(|post| post.received_us).min();
    let pings = match lead.way {
        Way::Direct => journals
            .of_kind(&lead.marker, Kind::Ping)
            .filter(|ping| first_post.is_none_or(|first| answered_at(ping) <= first))
            .map(awaited)
            .max(),
        Way::TwoPhase => None,
    };
    let all = pings.unwrap_or(0) + posts().map(awaited).sum::<u64>();
    sample(
        lead.at_us,
        lead.took_us,
        all.min(u64::from(lead.tmax_ms) * 1000),
    )
}

/// How long a buyer was awaited: its service time, at most its window.
fn awaited(entry: &Entry) -> u64 {
    let window = u64::from(entry.tmax_ms) * 1000;
    entry
        .service_us
        .map_or(window, |service| service.min(window))
}

/// When a buyer's answer left, or was no longer awaited.
fn answered_at(entry: &Entry) -> i64 {
    entry
        .received_us
        .saturating_add(i64::try_from(awaited(entry)).unwrap_or(i64::MAX))
}

fn sample(at_us: i64, took_us: u64, service_us: u64) -> Sample {
    let signed = |us| i64::try_from(us).unwrap_or(i64::MAX);
    let took_us = signed(took_us);
    Sample {
        at_us,
        took_us,
        over_us: took_us.saturating_sub(signed(service_us)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox::Answer;

    fn entry(kind: Kind, received_us: i64, service_us: Option<u64>) -> Entry {
        Entry {
            received_us,
            service_us,
            buyer: "b".into(),
            kind,
            campaign: "c".into(),
            contract: "ct".into(),
            test: false,
            ping_id: "bp".into(),
            tmax_ms: 100,
            lead_id: None,
            idempotency_key: None,
            marker: "m".into(),
            answer: Answer::Bid,
            delivery: Delivery::Answered,
            price: None,
            repeat: false,
        }
    }

    fn lead(way: Way, took_us: u64) -> Told {
        Told::Lead(LeadTold {
            marker: "m".into(),
            publisher: "p".into(),
            campaign: "c".into(),
            key: "k".into(),
            way,
            lead: "ld".into(),
            status: "sold".into(),
            reason: None,
            payout: "1.00".into(),
            visitor: 1,
            clicks_before: 1,
            took_us,
            attempts: 1,
            at_us: 1_000_000,
            tmax_ms: 3000,
        })
    }

    #[test]
    fn the_slowest_ping_counts_and_posts_add_up() {
        let entries = [
            entry(Kind::Ping, 0, Some(20_000)),
            entry(Kind::Ping, 0, Some(30_000)),
            // Answers after the first post came: not awaited.
            entry(Kind::Ping, 0, None),
            entry(Kind::Post, 31_000, Some(5_000)),
            entry(Kind::Post, 37_000, Some(6_000)),
        ];
        let over = |way| overhead(&[lead(way, 45_000)], &entries, "c")[0].over_us;
        assert_eq!(over(Way::Direct), 45_000 - 30_000 - 11_000);
        assert_eq!(over(Way::TwoPhase), 45_000 - 11_000);
    }

    #[test]
    fn a_stalled_buyer_counts_as_the_window() {
        let quote = Told::Quote(QuoteTold {
            marker: "m".into(),
            publisher: "p".into(),
            campaign: "c".into(),
            auction: "au".into(),
            status: "quoted".into(),
            payout: None,
            took_us: 101_000,
            attempts: 1,
            at_us: 1_000_000,
            tmax_ms: 3000,
        });
        let entries = [
            entry(Kind::Ping, 0, Some(20_000)),
            entry(Kind::Ping, 0, None),
        ];
        let samples = overhead(&[quote], &entries, "c");
        assert_eq!(
            samples,
            [Sample {
                at_us: 1_000_000,
                took_us: 101_000,
                over_us: 1_000
            }]
        );
    }

    #[test]
    fn percentiles_are_in_milliseconds() {
        let all = Percentiles::of((1..=1000).map(|n| n * 1000)).unwrap();
        assert!(
            (all.p50 - 500.0).abs() < 1.0 && (all.p99 - 990.0).abs() < 1.0,
            "{all:?}"
        );
        assert_eq!(Percentiles::of([-5]).unwrap().p50, 0.0);
        assert_eq!(Percentiles::of([]), None);
    }
}
