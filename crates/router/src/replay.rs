//! One contract asked again what it was asked when a lead came: why it took part, or did not.
//!
//! Everything is taken from the lead's record and the catalog generation that the record names; nothing
//! that is sealed is opened for it. A check whose answer is not there is `unknown`, never guessed.

use std::collections::BTreeSet;
use std::sync::Arc;

use auction::{
    Acceptance, Bar, Book, Check, Consumer, Context, Facts, History, LeadView, Shut, Slot, explain,
};
use catalog::Snapshot;
use domain::{
    ContractName, CounterKey, FieldClass, FieldName, FieldValue, LeadStatus, Micros, PingFields,
    PublisherName, Timestamp,
};
use intake::{Kind, Schema};
use proto::{Judged, LeadState, Received, RecordError};
use serde::Serialize;
use store::{Backend, StoreError};

use crate::Router;
use crate::refusal::Refused;

/// What an operator is told of a contract.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    contract: String,
    /// `takes_part`, `failed`, `unknown`, or `not_asked` of a lead that the book did not run for.
    result: &'static str,
    /// The check that failed, or whose answer is not known; all before it hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'static str>,
    /// The contract's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    message: &'static str,
}

impl<B: Backend> Router<B> {
    /// Why a contract took part in a lead's auction, or did not.
    pub(crate) async fn explained(
        &self,
        state: &LeadState,
        contract: &ContractName,
    ) -> Result<Explanation, Refused> {
        let told = |result, message| Explanation {
            contract: contract.to_string(),
            result,
            check: None,
            reason: None,
            message,
        };
        let received = state.received.as_ref();
        let received = received.ok_or(RecordError::Field("received"));
        let received = received.map_err(StoreError::from)?;
        let unheld = "The record names what the catalog does not have.";
        let snapshot = self.snapshot_of(&received.generation).await?;
        let Some(snapshot) = snapshot else {
            let why = "The lead came under a catalog generation that is not in the log.";
            return Ok(told("unknown", why));
        };
        let campaign = snapshot.campaigns.get(received.campaign.as_str());
        let (Some(campaign), Some(judged)) = (campaign, &received.judged) else {
            return Ok(told("unknown", unheld));
        };
        let slot = campaign.book.find(contract);
        let slot = slot.ok_or(Refused::NotFound("no such contract in the lead's campaign"))?;
        let status = state.lead_status().map_err(StoreError::from)?;
        if matches!(status, LeadStatus::Rejected | LeadStatus::Duplicate) {
            let why = "The lead was turned away before any contract was asked.";
            return Ok(told("not_asked", why));
        }
        let context = context(received, judged).map_err(StoreError::from)?;
        let Some(rules) = campaign.rules_for(&context.publisher) else {
            return Ok(told("unknown", unheld));
        };
        // A quote's round had its own facts, which are recorded with the quote.
        let facts = received.facts.as_ref();
        let facts = facts.filter(|_| received.auction.is_empty());
        let facts = facts.map(|facts| read_facts(facts, &campaign.book));
        let facts = facts.transpose().map_err(StoreError::from)?;
        let (fields, sealed) = fields(received, &campaign.form.schema)?;
        let lead = LeadView::Recorded {
            fields: &fields,
            sealed: &sealed,
        };
        let least = Micros::new(judged.min_payout_micros);
        let explained = explain(
            &campaign.book,
            rules,
            &context,
            lead,
            facts.as_ref(),
            least,
            slot,
        );
        let explained = explained.unwrap_or_default();
        Ok(match (explained.first(), explained.waits) {
            (Some(failed), _) => Explanation {
                check: Some(failed.check.as_str()),
                reason: Some(failed.reason.to_string()),
                ..told("failed", failed.reason.message())
            },
            (None, Some(check)) => Explanation {
                check: Some(check.as_str()),
                ..told("unknown", unknown(check))
            },
            (None, None) => told("takes_part", "No check failed."),
        })
    }
}

impl<B: Backend> Router<B> {
    /// A generation by its id, whether it is in force or was.
    async fn snapshot_of(&self, generation: &str) -> Result<Option<Arc<Snapshot>>, Refused> {
        let current = Arc::clone(&self.market.load().snapshot);
        if current.generation == generation {
            return Ok(Some(current));
        }
        self.catalogs.held(generation).await.map_err(|error| {
            tracing::warn!(
                generation,
                error,
                "a generation of the catalog cannot be read"
            );
            Refused::Unavailable("the lead's catalog cannot be read now")
        })
    }
}

/// Why a check cannot be told.
const fn unknown(check: Check) -> &'static str {
    match check {
        Check::Breaker => {
            "Rates, floor and limits were judged at the ping: its row has the reason."
        }
        _ => "It asks for a field that is sealed.",
    }
}

pub(crate) fn context(received: &Received, judged: &Judged) -> Result<Context, RecordError> {
    let publisher: PublisherName = read(&received.publisher, "publisher")?;
    let wall = Timestamp::from_micros(judged.as_of_us);
    let exclude = judged.exclude.iter().map(|name| read(name, "exclude"));
    let already_sold = u8::try_from(judged.already_sold);
    let barred = received.barred.iter().map(|(contract, reason)| {
        let mut bars = [Bar::Suppressed, Bar::Duplicate].into_iter();
        let bar = bars.find(|bar| bar.reason().code() == reason);
        let bar = bar.ok_or(RecordError::Field("barred"))?;
        Ok((read(contract, "barred")?, bar))
    });
    Ok(Context {
        sub: received.sub.clone().into(),
        exclude: Arc::new(exclude.collect::<Result<_, _>>()?),
        already_sold: already_sold.map_err(|_| RecordError::Field("already_sold"))?,
        test: received.test,
        consumer: Consumer {
            consented: judged.consented,
            barred: barred.collect::<Result<_, RecordError>>()?,
        },
        ..Context::new(publisher, wall)
    })
}

pub(crate) fn read<T: std::str::FromStr>(
    text: &str,
    field: &'static str,
) -> Result<T, RecordError> {
    text.parse().map_err(|_| RecordError::Field(field))
}

/// The facts of an auction, for the slots of its book.
pub(crate) fn read_facts(recorded: &proto::Facts, book: &Book) -> Result<Facts, RecordError> {
    let used = recorded.caps.iter().map(|cap| {
        let counter: CounterKey = read(&cap.counter, "facts")?;
        Ok((counter, cap.used))
    });
    let shut = recorded.shut.iter().map(|(contract, reason)| {
        let slot = book.find(&read(contract, "facts")?);
        let mut all = [Shut::Breaker, Shut::Rate].into_iter();
        let shut = all.find(|shut| shut.reason().code() == reason);
        slot.zip(shut).ok_or(RecordError::Field("facts"))
    });
    let mut shut: Vec<(Slot, Shut)> = shut.collect::<Result<_, _>>()?;
    shut.sort_unstable();
    let histories = recorded.histories.iter().map(|fact| {
        let slot = book.find(&read(&fact.contract, "facts")?);
        let history = History {
            acceptance: Acceptance {
                posts: fact.posts,
                rejected: fact.rejected,
            },
            turn: fact.turn,
        };
        Ok((slot.ok_or(RecordError::Field("facts"))?, history))
    });
    let mut histories: Vec<(Slot, History)> = histories.collect::<Result<_, RecordError>>()?;
    histories.sort_unstable_by_key(|(slot, _)| *slot);
    Ok(Facts {
        used: used.collect::<Result<_, RecordError>>()?,
        histories,
        shut,
    })
}

/// The fields that are recorded in clear, and the names of those that are not.
fn fields(
    received: &Received,
    schema: &Schema,
) -> Result<(PingFields, BTreeSet<FieldName>), StoreError> {
    let mut fields = PingFields::default();
    for (name, text) in &received.open_fields {
        let value = match schema.field(name).map(|field| &field.kind) {
            Some(Kind::Int) => FieldValue::Int(read(text, "open_fields")?),
            Some(Kind::Bool) => FieldValue::Bool(read(text, "open_fields")?),
            _ => FieldValue::Text(text.clone()),
        };
        let open = fields.insert(read(name, "open_fields")?, FieldClass::Open, value);
        open.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    }
    let sealed = schema.fields().iter();
    let sealed = sealed.filter(|field| field.class != FieldClass::Open);
    Ok((fields, sealed.map(|field| field.name.clone()).collect()))
}
