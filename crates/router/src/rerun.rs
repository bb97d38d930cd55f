//! A lead's auction run again from its records: the machines of crate `auction` are told once more what
//! they were told, and have to want the same things done and recorded, byte for byte.
//!
//! Nothing is asked of anybody. The lead's fields come from what was sealed, facts, rules and promise
//! from `received` and the catalog generation that it names, answers and times from the records of its
//! posts and its outcome. What those do not say, and what may differ for it:
//! - how long calls to the store took that came to nothing, and so until when such a hold would have
//!   stood, or when a post would have started whose record was refused;
//! - whether a hold or its pin could not be asked for (`post_error`): the rerun takes it for the hold;
//! - how pings were answered after the outcome was on its way, when that changed nothing any more;
//! - where the buyer sends the consumer, which is sealed with the answer;
//! - that a record was refused which the log has all the same, or was taken only at a later try.
//!
//! A lead without an outcome of its router cannot be run again: how its pings were answered is recorded
//! with the outcome. Nor can the round of a quote: the fields that it saw are in no record, only in that of
//! the lead that is posted on it, which begins with what the quote said.

mod machines;
#[cfg(test)]
mod tests;
mod told;

use std::sync::Arc;
use std::time::Duration;

use auction::{LadderEffect, LadderRecord};
use catalog::Snapshot;
use domain::{FieldClass, FieldValue, FullLead, LeadStatus, Micros, Timestamp};
use intake::{Presence, Schema};
use proto::{LeadBody, LeadRecord, Outcome, Received, RecordError};

use crate::post;
use crate::records::{self, OutcomeFacts, Statuses};
use crate::replay::{context, read, read_facts};

pub use machines::Effects;
use machines::Start;
use told::AsRecorded;

/// Why a lead cannot be run again.
#[derive(Debug, thiserror::Error)]
pub enum RerunError {
    /// Its router has not recorded how it ended.
    #[error("no outcome of its router is recorded")]
    NoOutcome,
    /// It was never in an auction.
    #[error("the lead never came to the book")]
    TurnedAway,
    /// The catalog is not the one it came under.
    #[error("it came under catalog generation {0}")]
    Generation(String),
    /// The catalog lacks what the record names.
    #[error("the catalog does not have its campaign or publisher")]
    Unheld,
    /// What was sealed is no lead.
    #[error("the sealed lead cannot be read")]
    Sealed,
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What comes of it.
pub struct Rerun {
    /// All that the machines wanted done.
    pub effects: Effects,
    /// The bodies of the records that they wanted written, after `received`, as they are stored. What
    /// they know nothing of is taken over from the records: HTTP statuses, how long the router took, and
    /// the sealed answer.
    pub bodies: Vec<LeadBody>,
}

/// Runs a lead again from its records, which are its router's, in the order of their numbers; `clear` is
/// what `received` has sealed.
///
/// # Errors
/// The records are not enough for it.
pub fn rerun(
    snapshot: &Snapshot,
    records: &[LeadRecord],
    clear: &[u8],
) -> Result<Rerun, RerunError> {
    // A lead that was taken over is received again; what the first router did is void.
    let began = |record: &LeadRecord| matches!(record.body, Some(LeadBody::Received(_)));
    let last = records.iter().rposition(began);
    let records = last.and_then(|at| records.get(at..)).unwrap_or_default();
    let Some((first, LeadBody::Received(received))) = records
        .first()
        .and_then(|record| Some((record, record.body.as_ref()?)))
    else {
        return Err(RecordError::Field("received").into());
    };
    let outcome = records.iter().find_map(|record| match &record.body {
        Some(LeadBody::Outcome(outcome)) => Some(outcome),
        _ => None,
    });
    let outcome = outcome.ok_or(RerunError::NoOutcome)?;
    let away = [LeadStatus::Rejected, LeadStatus::Duplicate].map(LeadStatus::number);
    if away.iter().any(|away| outcome.status == u32::from(*away)) {
        return Err(RerunError::TurnedAway);
    }
    let start = start(snapshot, first, received, outcome, clear)?;
    let mut told = AsRecorded::new(&start, records, outcome);
    let effects = machines::run(&start, &mut told);
    let bodies = bodies(&start, &effects, outcome, &told.statuses());
    Ok(Rerun { effects, bodies })
}

fn start(
    snapshot: &Snapshot,
    record: &LeadRecord,
    received: &Received,
    outcome: &Outcome,
    clear: &[u8],
) -> Result<Start, RerunError> {
    if received.generation != snapshot.generation {
        return Err(RerunError::Generation(received.generation.clone()));
    }
    let campaign = snapshot.campaigns.get(received.campaign.as_str());
    let campaign = campaign.ok_or(RerunError::Unheld)?;
    let judged = received.judged.as_ref();
    let judged = judged.ok_or(RecordError::Field("judged"))?;
    let facts = received.facts.as_ref();
    let facts = facts.ok_or(RecordError::Field("facts"))?;
    let context = context(received, judged)?;
    let rules = campaign.rules_for(&context.publisher);
    let waterfall = outcome.waterfall.as_ref();
    let quote = match &received.promised {
        None => None,
        Some(promised) => {
            let quote = post::promise(
                promised.payout_micros,
                promised.promise,
                promised.min_margin_micros,
            );
            let rungs = promised.rungs.iter().map(post::rung);
            let rungs = rungs.collect::<Option<_>>();
            let unread = RecordError::Field("promised");
            Some(quote.zip(rungs).ok_or(unread)?)
        }
    };
    // `received` is on its way before the first ping is.
    let pinged = waterfall.and_then(|waterfall| waterfall.pings.first());
    let opens = pinged.map_or(record.at_us, |ping| ping.started_at_us);
    Ok(Start {
        lead: record.lead_id()?,
        fields: Arc::new(unsealed(&campaign.form.schema, clear).ok_or(RerunError::Sealed)?),
        book: Arc::clone(&campaign.book),
        rules: rules.ok_or(RerunError::Unheld)?.clone(),
        facts: read_facts(facts, &campaign.book)?,
        min_payout: Micros::new(judged.min_payout_micros),
        quote,
        tmax: Duration::from_millis(received.tmax_ms.into()),
        opens: Timestamp::from_micros(opens),
        context,
    })
}

/// The lead that was sealed; none if it is none.
fn unsealed(schema: &Schema, clear: &[u8]) -> Option<FullLead> {
    let all: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(clear).ok()?;
    let mut lead = FullLead::default();
    for (name, value) in all.iter().filter(|(name, _)| !name.contains('@')) {
        let value = match value {
            serde_json::Value::String(text) => FieldValue::Text(text.clone()),
            serde_json::Value::Bool(yes) => FieldValue::Bool(*yes),
            other => FieldValue::Int(other.as_i64()?),
        };
        let field = schema.field(name);
        let field = field.filter(|field| field.ping != Presence::No);
        match field.map(|field| field.class) {
            Some(class @ (FieldClass::Open | FieldClass::Sensitive)) => {
                lead.ping
                    .insert(read(name, "sealed").ok()?, class, value)
                    .ok()?;
            }
            Some(FieldClass::Contact) | None => {
                lead.contact.insert(read(name, "sealed").ok()?, value);
            }
        }
    }
    Some(lead)
}

/// The records that the machines wanted written.
fn bodies(
    start: &Start,
    effects: &Effects,
    recorded: &Outcome,
    statuses: &Statuses,
) -> Vec<LeadBody> {
    let (book, currency) = (&start.book, start.rules.currency);
    let written = effects.ladder.iter().filter_map(|effect| match effect {
        LadderEffect::Record { record, .. } => Some(record),
        _ => None,
    });
    let bodies = written.filter_map(|record| match record {
        LadderRecord::Posting { .. } => records::posting(record, book, currency, statuses),
        LadderRecord::Outcome { ended, replies } => {
            let facts = OutcomeFacts {
                sealed_answer: recorded.sealed_answer.clone(),
                took: span(recorded.took_us),
            };
            Some(records::outcome(ended, replies, facts, statuses))
        }
    });
    bodies.collect()
}

fn span(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
