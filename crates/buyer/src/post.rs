//! The native post and what its answer means: taken, not taken, or unclear.
//!
//! A status alone says little: a proxy answers 503 after the buyer took the lead, and 409 often
//! means "have it already". So only 400-499 without 408 and 409, and what the contract lists, mean
//! that a lead was refused before anything happened to it.

use std::collections::BTreeSet;

use domain::{BuyerKey, Consent, FullLead, LeadId, Micros, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::PingHead;
use crate::head::{WireFields, WireHead, object, said};

/// What a post says beside the lead.
#[derive(Debug, Clone)]
pub struct PostHead<'a> {
    /// The same head as a ping's.
    pub ping: PingHead<'a>,
    /// Our id of the lead.
    pub lead_id: LeadId,
    /// The buyer's id of the bid this post takes up.
    pub bid_id: Option<&'a str>,
    /// Stays the same when the same post is sent again.
    pub idempotency_key: BuyerKey,
    /// What the buyer is to pay.
    pub price: Micros,
    /// The consumer's consent, if it came.
    pub consent: Option<&'a Consent>,
}

/// Statuses that a contract declares to mean "not taken", beside 400-499 without 408 and 409.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotTaken(pub BTreeSet<u16>);

impl NotTaken {
    fn covers(&self, status: u16) -> bool {
        self.0.contains(&status) || matches!(status, 400..=407 | 410..=499)
    }
}

/// What a buyer's answer to a post means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostAnswer {
    /// It has the lead and pays.
    Accepted {
        /// Its own id of the lead.
        reference: Option<String>,
        /// The price it names; none too if that is no amount.
        price: Option<Micros>,
        /// Where the consumer is to go; an http or https URL.
        redirect_url: Option<String>,
    },
    /// It does not have it.
    Rejected {
        /// Its reason, if it gave one.
        reason: Option<String>,
    },
    /// It does not have it: 429.
    Throttled,
    /// It does not take it because it had it before.
    Duplicate,
    /// It has it and decides later.
    Pending {
        /// By when.
        settle_by: Option<Timestamp>,
    },
    /// Nobody can say whether it has it.
    Unclear(UnclearWhy),
}

/// Why an answer is unclear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnclearWhy {
    /// 1xx, 3xx, 408, 409, 5xx, or a status that does not exist.
    Status(u16),
    /// A 2xx that is not readable.
    Unreadable,
    /// A 2xx that no rule matches.
    NoRule,
}

/// The record of consent; what the publisher did not say is left out.
#[derive(Serialize)]
struct WireConsent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    sellers: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    trustedform_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jornaya_leadid: Option<&'a str>,
}

impl<'a> WireConsent<'a> {
    fn new(consent: &'a Consent) -> Self {
        Self {
            text: consent.text.as_deref(),
            at: consent.at.map(|at| at.to_string()),
            ip: consent.ip.as_deref(),
            user_agent: consent.user_agent.as_deref(),
            url: consent.url.as_deref(),
            sellers: &consent.sellers,
            trustedform_url: consent.trustedform_url.as_deref(),
            jornaya_leadid: consent.jornaya_leadid.as_deref(),
        }
    }
}

/// A record of consent as JSON, as buyers get it.
pub fn consent_json(consent: &Consent) -> serde_json::Value {
    serde_json::to_value(WireConsent::new(consent)).unwrap_or_default()
}

/// The bytes of a post.
pub fn build_post(head: &PostHead<'_>, lead: &FullLead) -> Vec<u8> {
    #[derive(Serialize)]
    struct Post<'a, L> {
        #[serde(flatten)]
        head: WireHead<'a>,
        lead_id: String,
        bid_id: Option<&'a str>,
        idempotency_key: String,
        price: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        consent: Option<WireConsent<'a>>,
        lead: L,
    }
    let ping = lead.ping.iter().map(|(name, _, value)| (name, value));
    let fields: Vec<_> = ping.chain(lead.contact.iter()).collect();
    let post = Post {
        head: WireHead::new(&head.ping),
        lead_id: head.lead_id.to_string(),
        bid_id: head.bid_id,
        idempotency_key: head.idempotency_key.to_string(),
        price: head.price.to_string(),
        consent: head.consent.map(WireConsent::new),
        lead: WireFields(fields.into_iter()),
    };
    // Writing text keys to memory cannot fail.
    serde_json::to_vec(&post).unwrap_or_default()
}

/// An answer as it comes. Only `status` decides; the rest is read leniently, because an odd
/// reference must not turn a sale into a doubt.
#[derive(Deserialize)]
struct Answer {
    status: Option<Value>,
    reference: Option<Value>,
    price: Option<Value>,
    redirect_url: Option<Value>,
    reason: Option<Value>,
    settle_by: Option<Value>,
}

/// What an answer to a post means.
pub fn parse_post(status: u16, body: &[u8], not_taken: &NotTaken) -> PostAnswer {
    let answer = || object::<Answer>(body);
    match status {
        429 => PostAnswer::Throttled,
        status if not_taken.covers(status) => match answer() {
            Some(answer) if answer.says("duplicate") => PostAnswer::Duplicate,
            Some(answer) => PostAnswer::Rejected {
                reason: said(answer.reason, 200),
            },
            None => PostAnswer::Rejected { reason: None },
        },
        200..=299 => match answer() {
            Some(answer) => answer.meaning(),
            None => PostAnswer::Unclear(UnclearWhy::Unreadable),
        },
        other => PostAnswer::Unclear(UnclearWhy::Status(other)),
    }
}

impl Answer {
    fn says(&self, status: &str) -> bool {
        matches!(&self.status, Some(Value::String(said)) if said == status)
    }

    fn meaning(self) -> PostAnswer {
        if self.says("accepted") {
            PostAnswer::Accepted {
                reference: said(self.reference, 200),
                price: said(self.price, 40).and_then(|price| price.parse().ok()),
                redirect_url: redirect(self.redirect_url),
            }
        } else if self.says("rejected") {
            PostAnswer::Rejected {
                reason: said(self.reason, 200),
            }
        } else if self.says("duplicate") {
            PostAnswer::Duplicate
        } else if self.says("pending") {
            PostAnswer::Pending {
                settle_by: said(self.settle_by, 40).and_then(|at| Timestamp::parse(&at).ok()),
            }
        } else {
            PostAnswer::Unclear(UnclearWhy::NoRule)
        }
    }
}

/// A URL a consumer can be sent to; anything else is dropped.
fn redirect(url: Option<Value>) -> Option<String> {
    let Value::String(url) = url? else {
        return None;
    };
    let web = url.starts_with("https://") || url.starts_with("http://");
    let plain = url.len() <= 2_000 && url.bytes().all(|b| b.is_ascii_graphic());
    (web && plain).then_some(url)
}
