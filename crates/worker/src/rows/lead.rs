//! Rows of `leads` and `posts`, both from a lead's folded state; its `applied` is their version.

use domain::{AuctionId, LegState, SaleId};
use proto::{LeadState, Leg, Received, RecordError};
use warehouse::{LeadRow, Money, PostRow, Time};

use super::{entries, http_status, time_or_none};

/// The rows of a lead as it stands; none before its first record is known, because only that tells
/// the month they belong to.
pub(crate) fn rows(state: &LeadState) -> Result<Option<(LeadRow, Vec<PostRow>)>, RecordError> {
    let Some(received) = &state.received else {
        return Ok(None);
    };
    let lead = lead_row(state, received)?;
    let known = state.legs.iter().filter(|leg| !leg.contract.is_empty());
    let posts = known
        .map(|leg| post_row(state, received, leg))
        .collect::<Result<_, _>>()?;
    Ok(Some((lead, posts)))
}

fn lead_row(state: &LeadState, received: &Received) -> Result<LeadRow, RecordError> {
    let id = state.lead_id()?;
    let quote = received.auction_id()?;
    let mut row = LeadRow {
        lead_id: id.to_string(),
        campaign: received.campaign.clone(),
        publisher: received.publisher.clone(),
        publisher_lead_id: received.publisher_lead_id.clone(),
        kind: if quote.is_some() {
            "two_phase"
        } else {
            "direct"
        }
        .to_owned(),
        auction_id: quote
            .unwrap_or(AuctionId::from_bytes(*id.as_bytes()))
            .to_string(),
        click_id: received
            .click()?
            .map(|click| click.to_string())
            .unwrap_or_default(),
        test: received.test,
        status: state.lead_status()?.as_str().to_owned(),
        reason: state
            .lead_reason()?
            .map(|reason| reason.as_str().to_owned())
            .unwrap_or_default(),
        posts: u16::try_from(state.legs.len()).unwrap_or(u16::MAX),
        sub: entries(&received.sub),
        fields: entries(&received.open_fields),
        generation: received.generation.clone(),
        received_at: Time(state.received_at_us),
        ended_at: time_or_none(state.ended_at_us),
        took_us: state.took_us,
        version: state.applied,
        ..LeadRow::default()
    };
    for leg in &state.legs {
        if leg.leg_state()? != LegState::Accepted {
            continue;
        }
        row.revenue.0 = row.revenue.0.saturating_add(leg.price_micros);
        row.payout.0 = row.payout.0.saturating_add(leg.payout_micros);
        if row.sale_id.is_empty() {
            row.sale_id = SaleId {
                lead: id,
                leg: leg.number()?,
            }
            .to_string();
            row.buyer.clone_from(&leg.buyer);
            row.contract.clone_from(&leg.contract);
            row.currency.clone_from(&leg.currency);
        }
    }
    row.margin.0 = row.revenue.0.saturating_sub(row.payout.0);
    Ok(row)
}

fn post_row(state: &LeadState, received: &Received, leg: &Leg) -> Result<PostRow, RecordError> {
    let lead = state.lead_id()?;
    // A leg in doubt has been answered, or given up, but has not ended.
    let ended_at = match leg.leg_state()? {
        LegState::Accepted | LegState::Rejected => leg.ended_at_us,
        LegState::Posting | LegState::InDoubt => 0,
    };
    Ok(PostRow {
        sale_id: SaleId {
            lead,
            leg: leg.number()?,
        }
        .to_string(),
        lead_id: lead.to_string(),
        leg: leg.number()?,
        campaign: received.campaign.clone(),
        publisher: received.publisher.clone(),
        contract: leg.contract.clone(),
        buyer: leg.buyer.clone(),
        test: received.test,
        price: Money(leg.price_micros),
        payout: Money(leg.payout_micros),
        margin: Money(leg.price_micros.saturating_sub(leg.payout_micros)),
        answered: Money(leg.answered_micros),
        currency: leg.currency.clone(),
        state: leg.leg_state()?.as_str().to_owned(),
        reason: leg.reason.clone(),
        flags: leg
            .booked
            .as_ref()
            .map_or(Vec::new(), |booked| booked.flags.clone()),
        settled_by: leg.settled_by.clone(),
        reference: leg.reference.clone(),
        http_status: http_status(leg.http_status),
        received_at: Time(state.received_at_us),
        started_at: Time(leg.started_at_us),
        ended_at: time_or_none(ended_at),
        took_us: leg.took_us,
        version: state.applied,
    })
}
