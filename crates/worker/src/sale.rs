//! A lead's sale is a conversion: goal `lead_sold`, the lead is the order, the revenue its value.
//!
//! Each further accepted leg restates it. The event's id derives from the lead and the number of
//! accepted legs, which only grows, and ends in that number: all restatements have the time of the
//! first accepted leg, and among equal times the id orders.

use attribution::derive;
use domain::LegState;
use proto::{Conversion, EventBody, EventRecord, LeadState, RecordError};

/// The goal of a lead's sale.
pub(crate) const GOAL: &str = "lead_sold";

/// The conversion that a lead is in this state; none if it is not sold, is a test, or its first
/// record has not come.
pub(crate) fn conversion(state: &LeadState) -> Result<Option<EventRecord>, RecordError> {
    let Some(received) = state.received.as_ref().filter(|received| !received.test) else {
        return Ok(None);
    };
    let (mut revenue, mut payout, mut legs) = (0_i64, 0_i64, 0_u16);
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    let mut currency = String::new();
    for leg in &state.legs {
        if leg.leg_state()? != LegState::Accepted || leg.contract.is_empty() {
            continue;
        }
        revenue = revenue
            .checked_add(leg.price_micros)
            .ok_or(RecordError::Field("price"))?;
        payout = payout
            .checked_add(leg.payout_micros)
            .ok_or(RecordError::Field("payout"))?;
        legs = legs.saturating_add(1);
        if leg.ended_at_us < first {
            first = leg.ended_at_us;
            currency.clone_from(&leg.currency);
        }
        last = last.max(leg.ended_at_us);
    }
    if legs == 0 {
        return Ok(None);
    }
    let lead = state.lead_id()?;
    let mut id = derive(GOAL, &[lead.as_bytes()]);
    let [.., high, low] = &mut id;
    [*high, *low] = legs.to_be_bytes();
    Ok(Some(EventRecord {
        id: id.to_vec(),
        ts_us: first,
        received_us: last,
        visitor: Vec::new(),
        click_id: received.click_id.clone(),
        body: Some(EventBody::Conversion(Conversion {
            campaign: received.campaign.clone(),
            goal: GOAL.to_owned(),
            txid: lead.to_string(),
            amount_micros: Some(revenue),
            currency,
            status: "approved".to_owned(),
            source: "lead".to_owned(),
            lead: lead.as_bytes().to_vec(),
            payee: received.publisher.clone(),
            payout_micros: payout,
            sub: received.sub.clone(),
            publisher_lead_id: received.publisher_lead_id.clone(),
            ..Conversion::default()
        })),
        ..EventRecord::default()
    }))
}
