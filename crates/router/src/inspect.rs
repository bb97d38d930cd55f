//! `GET /v1/admin/leads/{lead_id}`: a lead as operators see it, with what it took from which counter, and
//! with `?explain=CONTRACT` why that contract was in its auction or not. Nothing sealed is in it.

use bytes::Bytes;
use domain::{ContractName, LeadId, LegState, Micros, Timestamp};
use proto::{LeadState, Leg, RecordError};
use serde::Serialize;
use store::{Backend, StoreError};

use crate::disclose::Reason;
use crate::lookup::ABSENT;
use crate::refusal::Refused;
use crate::replay::Explanation;
use crate::{Router, answer};

#[derive(Debug, Serialize)]
struct Inspected<'a> {
    status: &'static str,
    lead_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    campaign: &'a str,
    publisher: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    publisher_lead_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ping_ref: Option<String>,
    generation: &'a str,
    test: bool,
    received_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    took_ms: i64,
    revenue: String,
    payout: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
    legs: Vec<Step<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explained: Option<Explanation>,
    request_id: &'a str,
}

/// A post to a buyer.
#[derive(Debug, Serialize)]
struct Step<'a> {
    leg_id: String,
    contract: &'a str,
    buyer: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    price: String,
    payout: String,
    started_at: String,
    reply_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    took_ms: i64,
    #[serde(skip_serializing_if = "is_zero")]
    http_status: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    settled_by: &'a str,
    reserved: Vec<Reserved<'a>>,
}

/// What a leg takes of a counter: leads, or micros.
#[derive(Debug, Serialize)]
struct Reserved<'a> {
    counter: &'a str,
    amount: i64,
    limit: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn time(at_us: i64) -> String {
    Timestamp::from_micros(at_us).to_string()
}

fn known(at_us: i64) -> Option<String> {
    (at_us != 0).then(|| time(at_us))
}

fn step(leg: &Leg) -> Result<Step<'_>, RecordError> {
    let reserved = leg.counters.iter().map(|counter| Reserved {
        counter: &counter.counter,
        amount: counter.amount,
        limit: counter.limit,
    });
    Ok(Step {
        leg_id: leg.leg.to_string(),
        contract: &leg.contract,
        buyer: &leg.buyer,
        status: leg.leg_state()?.as_str(),
        reason: &leg.reason,
        price: Micros::new(leg.price_micros).to_string(),
        payout: Micros::new(leg.payout_micros).to_string(),
        started_at: time(leg.started_at_us),
        reply_by: time(leg.reply_by_us),
        ended_at: known(leg.ended_at_us),
        took_ms: leg.took_us / 1_000,
        http_status: leg.http_status,
        settled_by: &leg.settled_by,
        reserved: reserved.collect(),
    })
}

fn inspected<'a>(
    state: &'a LeadState,
    explained: Option<Explanation>,
    request_id: &'a str,
) -> Result<Inspected<'a>, RecordError> {
    let received = state.received.as_ref();
    let received = received.ok_or(RecordError::Field("received"))?;
    let (mut revenue, mut payout) = (Micros::ZERO, Micros::ZERO);
    for leg in &state.legs {
        if leg.leg_state()? == LegState::Accepted {
            let sum = |sum: Micros, micros| sum.plus(Micros::new(micros));
            revenue =
                sum(revenue, leg.price_micros).map_err(|_| RecordError::Field("price_micros"))?;
            payout =
                sum(payout, leg.payout_micros).map_err(|_| RecordError::Field("payout_micros"))?;
        }
    }
    let legs: Result<_, _> = state.legs.iter().map(step).collect();
    Ok(Inspected {
        status: state.lead_status()?.as_str(),
        lead_id: state.lead_id()?.to_string(),
        reason: state
            .lead_reason()?
            .map(|reason| Reason::of(reason, catalog::Disclosure::Full)),
        campaign: &received.campaign,
        publisher: &received.publisher,
        publisher_lead_id: &received.publisher_lead_id,
        ping_ref: received.auction_id()?.map(|auction| auction.to_string()),
        generation: &received.generation,
        test: received.test,
        received_at: time(state.received_at_us),
        ended_at: known(state.ended_at_us),
        took_ms: state.took_us / 1_000,
        revenue: revenue.to_string(),
        payout: payout.to_string(),
        currency: state.legs.first().map(|leg| leg.currency.as_str()),
        legs: legs?,
        explained,
        request_id,
    })
}

impl<B: Backend> Router<B> {
    /// A lead for an operator, and what one contract says of it.
    pub(crate) async fn inspect(
        &self,
        lead: &str,
        explain: Option<&str>,
        request_id: &str,
    ) -> Result<Bytes, Refused> {
        let contract = explain.map(str::parse::<ContractName>).transpose();
        let contract =
            contract.map_err(|_| Refused::Malformed("`explain` names a contract".to_owned()))?;
        let lead: LeadId = lead.parse().map_err(|_| ABSENT)?;
        let state = self.folded_state(lead).await?;
        if state.received.is_none() {
            return Err(ABSENT);
        }
        let explained = match contract {
            Some(contract) => Some(self.explained(&state, &contract).await?),
            None => None,
        };
        let told = inspected(&state, explained, request_id).map_err(StoreError::from)?;
        Ok(answer::json(&told))
    }
}
