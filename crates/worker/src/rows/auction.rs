//! Rows of `auctions` and `pings`: one auction for each run over the book (a publisher's ping, a
//! direct post) or over a quote's ladder (its post), with the pings it sent.
//!
//! They come from single records. Of two records of one auction the first counts, as in the fold, so
//! the version falls with the offset.

use domain::{AuctionId, LeadReason, LeadStatus, LegState};
use proto::{LeadRecord, LeadState, Leg, Outcome, Quoted, Received, RecordError, Waterfall};
use warehouse::{AuctionRow, Money, PingRow, Time};

use super::{entries, http_status, time_or_none};

/// The rows of a ping that was answered.
pub(crate) fn quoted(
    offset: u64,
    record: &LeadRecord,
    quoted: &Quoted,
) -> Result<(AuctionRow, Vec<PingRow>), RecordError> {
    let waterfall = quoted.waterfall.clone().unwrap_or_default();
    let row = AuctionRow {
        auction_id: record.auction_id()?.to_string(),
        kind: "ping".to_owned(),
        campaign: quoted.campaign.clone(),
        publisher: quoted.publisher.clone(),
        click_id: click(&quoted.click_id)?,
        test: quoted.test,
        status: if quoted.quoted { "quoted" } else { "no_bid" }.to_owned(),
        payout: Money(quoted.payout_micros),
        currency: quoted.currency.clone(),
        sub: entries(&quoted.sub),
        generation: quoted.generation.clone(),
        ended_at: Time(record.at_us),
        expires_at: time_or_none(quoted.expires_at_us),
        took_us: quoted.took_us,
        version: u64::MAX - offset,
        ..AuctionRow::default()
    };
    Ok(run(row, &waterfall))
}

/// The rows of a router's last word on a lead. `state` knows who sent it.
pub(crate) fn outcome(
    offset: u64,
    record: &LeadRecord,
    outcome: &Outcome,
    state: &LeadState,
) -> Result<(AuctionRow, Vec<PingRow>), RecordError> {
    let lead = record.lead_id()?;
    let unknown = Received::default();
    let received = state.received.as_ref().unwrap_or(&unknown);
    let quote = received.auction_id()?;
    let waterfall = outcome.waterfall.clone().unwrap_or_default();
    let row = AuctionRow {
        auction_id: quote
            .unwrap_or(AuctionId::from_bytes(*lead.as_bytes()))
            .to_string(),
        kind: if quote.is_some() { "post" } else { "direct" }.to_owned(),
        lead_id: lead.to_string(),
        campaign: received.campaign.clone(),
        publisher: received.publisher.clone(),
        click_id: click(&received.click_id)?,
        test: received.test,
        status: named(outcome.status, LeadStatus::from_number, LeadStatus::as_str),
        reason: named(outcome.reason, LeadReason::from_number, LeadReason::as_str),
        payout: payout(outcome, state),
        currency: state
            .legs
            .first()
            .map(|leg| leg.currency.clone())
            .unwrap_or_default(),
        sub: entries(&received.sub),
        generation: received.generation.clone(),
        told_pending: outcome.told_pending,
        ended_at: Time(record.at_us),
        took_us: outcome.took_us,
        version: u64::MAX - offset,
        ..AuctionRow::default()
    };
    Ok(run(row, &waterfall))
}

/// What the ladder itself sold for. A settlement that came later is the lead's affair: this row is of
/// one record, and stays as it is.
fn payout(outcome: &Outcome, state: &LeadState) -> Money {
    let accepted = u32::from(LegState::Accepted.number());
    let sold = |leg: &&Leg| {
        let mut replies = outcome.replies.iter();
        replies.any(|reply| reply.leg == leg.leg && reply.state == accepted)
    };
    let sales = state.legs.iter().filter(sold);
    Money(sales.fold(0, |sum, leg| leg.payout_micros.saturating_add(sum)))
}

/// Fills in what became of each contract, and makes the rows of the pings.
fn run(mut row: AuctionRow, waterfall: &Waterfall) -> (AuctionRow, Vec<PingRow>) {
    for contract in &waterfall.contracts {
        row.contract.push(contract.contract.clone());
        row.buyer.push(contract.buyer.clone());
        row.ping_reason.push(contract.ping_reason.clone());
        row.post_reason.push(contract.post_reason.clone());
        row.price.push(Money(contract.price_micros));
    }
    row.excluded = entries(&waterfall.excluded);
    let pings = waterfall.pings.iter().map(|ping| PingRow {
        auction_id: row.auction_id.clone(),
        contract: ping.contract.clone(),
        buyer: ping.buyer.clone(),
        campaign: row.campaign.clone(),
        publisher: row.publisher.clone(),
        lead_id: row.lead_id.clone(),
        test: row.test,
        result: ping.result.clone(),
        bid: Money(ping.bid_micros),
        currency: row.currency.clone(),
        http_status: http_status(ping.http_status),
        started_at: Time(ping.started_at_us),
        took_us: ping.took_us,
        version: row.version,
    });
    let pings = pings.collect();
    (row, pings)
}

fn click(bytes: &[u8]) -> Result<String, RecordError> {
    let received = Received {
        click_id: bytes.to_vec(),
        ..Received::default()
    };
    Ok(received
        .click()?
        .map(|click| click.to_string())
        .unwrap_or_default())
}

/// A number of a record as its word; empty for none.
fn named<T>(number: u32, from: fn(u8) -> Option<T>, word: fn(T) -> &'static str) -> String {
    let value = u8::try_from(number).ok().and_then(from);
    value
        .map(|value| word(value).to_owned())
        .unwrap_or_default()
}
