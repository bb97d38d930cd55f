//! What the log holds when all is over: the records of each lead and quote, its waterfall, the state
//! that the worker folded, and the requests that were refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use domain::{LeadId, Micros};
use proto::{
    EventBody, EventRecord, LeadBody, LeadRecord, LeadState, Message as _, Refused, Waterfall,
};
use store::{Backend as _, Claims as _, Consumer as _, Delivery, EventLog as _, Topic};
use store_local::Local;

use crate::names::Names;

/// The records of a subject, in order.
pub(crate) type Records = BTreeMap<Vec<u8>, Vec<LeadRecord>>;

/// Everything in topic `leads` so far.
pub(crate) async fn read(backend: &Local) -> Records {
    let mut all = Records::new();
    for payload in payloads(backend, Topic::Leads).await {
        let record = LeadRecord::decode(payload).unwrap();
        all.entry(record.subject.clone()).or_default().push(record);
    }
    all
}

/// All that a topic holds.
async fn payloads(backend: &Local, topic: Topic) -> Vec<Bytes> {
    let log = backend.log();
    let left: u64 = log.ends(topic).iter().sum();
    let mut consumer = log.subscribe("transcript", &[topic]).await.unwrap();
    let mut all = Vec::new();
    while (all.len() as u64) < left {
        let delivery = consumer.next(std::time::Duration::ZERO).await.unwrap();
        if let Some(Delivery::Records { records, .. }) = delivery {
            all.extend(records.into_iter().map(|record| record.payload));
        }
    }
    all
}

/// The refusals, in order.
pub(crate) async fn refusals(backend: &Local) -> String {
    let events = payloads(backend, Topic::Events).await.into_iter();
    let mut refusals: Vec<(i64, Refused)> = events
        .filter_map(|payload| {
            let event = EventRecord::decode(payload).unwrap();
            match event.body {
                Some(EventBody::Refused(refused)) => Some((event.ts_us, refused)),
                _ => None,
            }
        })
        .collect();
    refusals.sort_by_key(|(ts_us, _)| *ts_us);
    let mut out = String::new();
    for (_, refused) in refusals {
        let or = |text: &str, none: &str| {
            if text.is_empty() {
                none.to_owned()
            } else {
                text.to_owned()
            }
        };
        let Refused {
            kind, status, code, ..
        } = &refused;
        let (publisher, campaign) = (
            or(&refused.publisher, "nobody"),
            or(&refused.campaign, "none"),
        );
        write!(
            out,
            "\nrefused {kind}: {status} {code}, {publisher} on {campaign}"
        )
        .unwrap();
        if !refused.publisher_lead_id.is_empty() {
            write!(out, ", lead {:?}", refused.publisher_lead_id).unwrap();
        }
        if refused.test {
            out.push_str(", test");
        }
        for issue in &refused.issues {
            write!(out, "; {} {}", issue.pointer, issue.code).unwrap();
        }
        let more = refused.issue_count as usize - refused.issues.len();
        if more > 0 {
            write!(out, "; and {more} more").unwrap();
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// The leads among them.
pub(crate) fn leads(records: &Records) -> Vec<LeadId> {
    let leads = records.values().filter_map(|of| {
        let lead = of.first()?;
        let quote = matches!(lead.body, Some(LeadBody::Quoted(_)));
        (!quote).then(|| lead.lead_id().unwrap())
    });
    leads.collect()
}

/// A lead's folded state.
pub(crate) async fn state(backend: &Local, lead: LeadId) -> Option<LeadState> {
    let view = backend.claims().lead(lead).await.unwrap()?;
    view.state.map(|state| (*state).clone())
}

fn kind(record: &LeadRecord) -> String {
    // The first word of how it prints is its name.
    let text = format!("{:?}", record.body.as_ref().unwrap());
    let name = text.split(['(', ' ']).next().unwrap_or_default();
    name.to_lowercase()
}

/// All of it as text, in the order in which the ids were seen.
pub(crate) async fn show(backend: &Local, names: &mut Names, records: &Records) -> String {
    let mut shown: Vec<(String, String)> = Vec::new();
    for of in records.values() {
        let mut out = String::new();
        let kinds: Vec<String> = of.iter().map(kind).collect();
        let quoted = of.iter().find_map(|record| match &record.body {
            Some(LeadBody::Quoted(quoted)) => Some(quoted),
            _ => None,
        });
        let subject = hex(&of[0].subject);
        let name = names.show(&format!(
            "{}_{subject}",
            if quoted.is_some() { "au" } else { "ld" }
        ));
        writeln!(out, "\n{name}: {}", kinds.join(", ")).unwrap();
        for record in of {
            match &record.body {
                Some(LeadBody::Quoted(quoted)) => waterfall(&mut out, quoted.waterfall.as_ref()),
                Some(LeadBody::Outcome(outcome)) => waterfall(&mut out, outcome.waterfall.as_ref()),
                _ => {}
            }
        }
        if quoted.is_none() {
            let lead = of[0].lead_id().unwrap();
            folded(
                &mut out,
                &state(backend, lead).await.expect("a folded lead"),
            );
        }
        shown.push((name, out));
    }
    shown.sort_by_key(|(name, _)| {
        let (kind, number) = name.split_once('_').unwrap();
        (kind.to_owned(), number.parse::<usize>().unwrap())
    });
    shown.into_iter().map(|(_, text)| text).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn waterfall(out: &mut String, waterfall: Option<&Waterfall>) {
    let Some(waterfall) = waterfall else { return };
    if !waterfall.contracts.is_empty() {
        writeln!(out, "  | contract     |  price | ping              | post").unwrap();
    }
    let dash = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
    };
    for row in &waterfall.contracts {
        let price = match row.price_micros {
            0 => "-".to_owned(),
            micros => Micros::new(micros).to_string(),
        };
        let (ping, post) = (dash(&row.ping_reason), dash(&row.post_reason));
        writeln!(
            out,
            "  | {:<12} | {price:>6} | {ping:<17} | {post}",
            row.contract
        )
        .unwrap();
    }
    for (reason, count) in &waterfall.excluded {
        writeln!(
            out,
            "  | excluded     |      - | {reason:<17} | {count} of them"
        )
        .unwrap();
    }
}

fn folded(out: &mut String, state: &LeadState) {
    let status = state.lead_status().unwrap();
    let reason = state.lead_reason().unwrap();
    let reason = reason.map_or(String::new(), |reason| format!(" ({})", reason.as_str()));
    writeln!(out, "  = {status}{reason}").unwrap();
    for leg in &state.legs {
        let (price, payout) = (leg.price_micros, leg.payout_micros);
        let by = match leg.settled_by.as_str() {
            "" => String::new(),
            by => format!(", settled by {by}"),
        };
        writeln!(
            out,
            "  leg {} {}: {} ({}) at {}, publisher gets {}{by}",
            leg.leg,
            leg.contract,
            leg.leg_state().unwrap().as_str(),
            leg.reason,
            Micros::new(price),
            Micros::new(payout),
        )
        .unwrap();
    }
}
