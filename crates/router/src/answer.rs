//! The publisher's answers to pings and posts, as JSON.

use std::time::Duration;

use auction::Waterfall;
use bytes::Bytes;
use catalog::Disclosure;
use domain::{
    AuctionId, Currency, LeadId, LeadReason, LeadStatus, LegState, Micros, SaleId, Timestamp,
};
use intake::Issue;
use proto::{LeadState, RecordError};
use serde::{Deserialize, Serialize};

use crate::Found;
use crate::disclose::{Counted, Reason, Step, steps};

#[derive(Debug, Serialize)]
struct Warning<'a> {
    pointer: &'a str,
    code: &'static str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct Sale {
    sale_id: String,
    leg_id: String,
    status: &'static str,
    payout: String,
}

#[derive(Debug, Serialize)]
struct Post<'a> {
    status: &'static str,
    lead_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher_lead_id: Option<&'a str>,
    payout: String,
    currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_url: Option<&'a str>,
    sales: Vec<Sale>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waterfall: Option<Vec<Step>>,
    test: bool,
    warnings: Vec<Warning<'a>>,
    took_ms: u64,
    request_id: &'a str,
}

/// What every answer about a lead says of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) lead: LeadId,
    pub(crate) publisher_lead_id: Option<&'a str>,
    pub(crate) currency: Currency,
    pub(crate) disclosure: Disclosure,
    pub(crate) test: bool,
    pub(crate) warnings: &'a [Issue],
    pub(crate) took: Duration,
    pub(crate) request_id: &'a str,
}

/// What became of the lead, for its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told<'a> {
    /// This leg was sold.
    Sold {
        leg: u16,
        payout: Micros,
        redirect_url: Option<&'a str>,
    },
    /// It was not, or not yet.
    Not(LeadStatus, LeadReason, Option<&'a Waterfall>),
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn json(value: &impl Serialize) -> Bytes {
    // These types have string keys only, so serialising them cannot fail.
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}

fn sale(lead: LeadId, leg: u16, status: &'static str, payout: Micros) -> Sale {
    let id = SaleId { lead, leg };
    Sale {
        sale_id: id.to_string(),
        leg_id: leg.to_string(),
        status,
        payout: payout.to_string(),
    }
}

/// The answer to a post.
pub(crate) fn post(about: About<'_>, told: Told<'_>) -> Bytes {
    let mut waterfall = None;
    let (status, payout, sales, reason, redirect_url) = match told {
        Told::Sold {
            leg,
            payout,
            redirect_url,
        } => (
            LeadStatus::Sold,
            payout,
            vec![sale(about.lead, leg, "sold", payout)],
            None,
            redirect_url,
        ),
        Told::Not(status, reason, tried) => {
            waterfall = tried.and_then(|tried| steps(tried, about.disclosure));
            let reason = Reason::of(reason, about.disclosure);
            (status, Micros::ZERO, Vec::new(), Some(reason), None)
        }
    };
    json(&Post {
        status: status.as_str(),
        lead_id: about.lead.to_string(),
        publisher_lead_id: about.publisher_lead_id,
        payout: payout.to_string(),
        currency: about.currency.to_string(),
        redirect_url,
        sales,
        reason,
        waterfall,
        test: about.test,
        warnings: warnings(about.warnings),
        took_ms: millis(about.took),
        request_id: about.request_id,
    })
}

/// The answer to a look-up, or to a repeated post whose first answer was not final: the state now.
/// What was tried is not in the state, but in the final answer, `stored`.
pub(crate) fn state(
    state: &LeadState,
    disclosure: Disclosure,
    stored: Option<&[u8]>,
    request_id: &str,
) -> Result<Bytes, RecordError> {
    let lead = state.lead_id()?;
    let mut payout = Micros::ZERO;
    let mut currency = None;
    let mut sales = Vec::new();
    for leg in &state.legs {
        let paid = Micros::new(leg.payout_micros);
        currency = leg.currency.parse().ok().or(currency);
        match leg.leg_state()? {
            LegState::Accepted => {
                payout = payout
                    .plus(paid)
                    .map_err(|_| RecordError::Field("payout_micros"))?;
                sales.push(sale(lead, leg.number()?, "sold", paid));
            }
            LegState::Posting | LegState::InDoubt => {
                sales.push(sale(lead, leg.number()?, "pending", paid))
            }
            LegState::Rejected => sales.push(sale(lead, leg.number()?, "rejected", Micros::ZERO)),
        }
    }
    let received = state.received.as_ref();
    let named = received.map(|received| received.publisher_lead_id.as_str());
    Ok(json(&Post {
        status: state.lead_status()?.as_str(),
        lead_id: lead.to_string(),
        publisher_lead_id: named.filter(|named| !named.is_empty()),
        payout: payout.to_string(),
        currency: currency.unwrap_or(Currency::USD).to_string(),
        redirect_url: None,
        sales,
        reason: state
            .lead_reason()?
            .map(|reason| Reason::of(reason, disclosure)),
        waterfall: stored
            .filter(|_| disclosure == Disclosure::Full)
            .and_then(tried),
        test: received.is_some_and(|received| received.test),
        warnings: Vec::new(),
        took_ms: u64::try_from(state.took_us / 1000).unwrap_or(0),
        request_id,
    }))
}

/// The waterfall of a stored answer, if it has one.
fn tried(stored: &[u8]) -> Option<Vec<Step>> {
    #[derive(Deserialize)]
    struct Stored {
        waterfall: Option<Vec<Step>>,
    }
    let stored: Stored = serde_json::from_slice(stored).ok()?;
    stored.waterfall
}

/// One of the leads that their publisher gave the same name.
#[derive(Debug, Serialize)]
pub(crate) struct Lead<'a> {
    status: &'static str,
    lead_id: String,
    publisher_lead_id: &'a str,
    campaign: &'a str,
    payout: String,
    currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    test: bool,
    received_at: String,
    took_ms: u64,
}

/// As its publisher is told of it.
pub(crate) fn found<'a>(found: &'a Found, name: &'a str, disclosure: Disclosure) -> Lead<'a> {
    Lead {
        status: found.status.as_str(),
        lead_id: found.lead.to_string(),
        publisher_lead_id: name,
        campaign: &found.campaign,
        payout: found.payout.to_string(),
        currency: found.currency.unwrap_or(Currency::USD).to_string(),
        reason: found.reason.map(|reason| Reason::of(reason, disclosure)),
        test: found.test,
        received_at: found.received_at.to_string(),
        took_ms: u64::try_from(found.took_us / 1000).unwrap_or(0),
    }
}

/// The answer to a look-up that may find several.
pub(crate) fn leads(leads: Vec<Lead<'_>>, request_id: &str) -> Bytes {
    #[derive(Serialize)]
    struct Leads<'a> {
        leads: Vec<Lead<'a>>,
        request_id: &'a str,
    }
    json(&Leads { leads, request_id })
}

#[derive(Debug, Serialize)]
struct Valid<'a> {
    status: &'static str,
    warnings: Vec<Warning<'a>>,
    request_id: &'a str,
}

/// The answer to a post that was only looked at.
pub(crate) fn valid(issues: &[Issue], request_id: &str) -> Bytes {
    json(&Valid {
        status: "valid",
        warnings: warnings(issues),
        request_id,
    })
}

fn warnings(issues: &[Issue]) -> Vec<Warning<'_>> {
    fn one(issue: &Issue) -> Warning<'_> {
        Warning {
            pointer: &issue.pointer,
            code: issue.code.as_str(),
            message: &issue.message,
        }
    }
    issues.iter().map(one).collect()
}

#[derive(Debug, Serialize)]
struct QuotedLeg {
    leg_id: &'static str,
    payout: String,
    max_sold: u8,
}

#[derive(Debug, Serialize)]
struct Quoted<'a> {
    status: &'static str,
    ping_id: &'a str,
    ping_ref: String,
    expires_at: String,
    expires_in_s: u64,
    payout: String,
    currency: String,
    legs: [QuotedLeg; 1],
    test: bool,
    warnings: Vec<Warning<'a>>,
    took_ms: u64,
    request_id: &'a str,
}

/// A quote.
pub(crate) struct Offer<'a> {
    pub(crate) ping_id: &'a str,
    pub(crate) payout: Micros,
    pub(crate) expires_at: Timestamp,
    pub(crate) expires_in: Duration,
}

/// What every answer to a ping says of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AboutPing<'a> {
    pub(crate) auction: AuctionId,
    pub(crate) currency: Currency,
    pub(crate) test: bool,
    pub(crate) warnings: &'a [Issue],
    pub(crate) took: Duration,
    pub(crate) request_id: &'a str,
}

/// The answer to a ping with a quote.
pub(crate) fn quoted(about: AboutPing<'_>, offer: &Offer<'_>) -> Bytes {
    json(&Quoted {
        status: "quoted",
        ping_id: offer.ping_id,
        ping_ref: about.auction.to_string(),
        expires_at: offer.expires_at.to_string(),
        expires_in_s: offer.expires_in.as_secs(),
        payout: offer.payout.to_string(),
        currency: about.currency.to_string(),
        legs: [QuotedLeg {
            leg_id: "1",
            payout: offer.payout.to_string(),
            max_sold: 1,
        }],
        test: about.test,
        warnings: warnings(about.warnings),
        took_ms: millis(about.took),
        request_id: about.request_id,
    })
}

#[derive(Debug, Serialize)]
struct NoBid<'a> {
    status: &'static str,
    ping_ref: String,
    reasons: Vec<Counted>,
    test: bool,
    warnings: Vec<Warning<'a>>,
    took_ms: u64,
    request_id: &'a str,
}

/// The answer to a ping without one: how many contracts ended for which reason.
pub(crate) fn no_bid(about: AboutPing<'_>, reasons: Vec<Counted>) -> Bytes {
    json(&NoBid {
        status: "no_bid",
        ping_ref: about.auction.to_string(),
        reasons,
        test: about.test,
        warnings: warnings(about.warnings),
        took_ms: millis(about.took),
        request_id: about.request_id,
    })
}
