//! The native ping and its answer.
//!
//! A contract with `ping = "bid"` answers `{"bid": "14.00"}`; one with `ping = "check"`, whose price
//! stands already, may also answer `{"accept": true}`, and a `bid` of it means yes at that price. Both
//! say no with `{"bid": null}`, `{"accept": false}` or 204. `bid_id`, `expires_in_s` and `reason` are
//! the same in each.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{FieldClass, FieldName, Micros, PingFields};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::PingHead;
use crate::head::{WireFields, WireHead, object, said};

/// An offer for a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bid {
    /// The price, above zero.
    pub price: Micros,
    /// What goes with it.
    pub terms: BidTerms,
}

/// What goes with a yes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BidTerms {
    /// The buyer's id of the bid, to be sent with the post.
    pub bid_id: Option<String>,
    /// How long it holds.
    pub expires_in: Option<Duration>,
}

/// What a buyer's answer to a ping means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PingAnswer {
    /// It offers a price.
    Bid(Bid),
    /// It wants the lead and names no price.
    Accept(BidTerms),
    /// It does not want the lead.
    NoBid {
        /// Its reason, if it gave one.
        reason: Option<String>,
    },
    /// A 2xx with a body that is no answer, and why it is none.
    Bad(&'static str),
    /// 429.
    Throttled,
    /// Any other status.
    Error(u16),
}

/// The longest `bid_id`: it travels in the sealed quote.
const BID_ID: usize = 256;

/// The bytes of a ping. Sensitive fields go out only if `sensitive` names them.
pub fn build_ping(
    head: &PingHead<'_>,
    fields: &PingFields,
    sensitive: &BTreeSet<FieldName>,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Ping<'a, L> {
        #[serde(flatten)]
        head: WireHead<'a>,
        lead: L,
    }
    let allowed = fields
        .iter()
        .filter(|(name, class, _)| *class == FieldClass::Open || sensitive.contains(*name))
        .map(|(name, _, value)| (name, value))
        .collect::<Vec<_>>();
    let ping = Ping {
        head: WireHead::new(head),
        lead: WireFields(allowed.into_iter()),
    };
    // Writing text keys to memory cannot fail.
    serde_json::to_vec(&ping).unwrap_or_default()
}

/// An answer as it comes. What is optional is read leniently, what decides is not.
#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "present")]
    bid: Option<Value>,
    accept: Option<Value>,
    bid_id: Option<Value>,
    expires_in_s: Option<Value>,
    reason: Option<Value>,
    /// Offers by sale mode; only exclusive ones are taken yet.
    exclusive: Option<Box<Answer>>,
    shared: Option<Value>,
}

/// Tells `null` from absent.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// What an answer to a ping means.
pub fn parse_ping(status: u16, body: &[u8]) -> PingAnswer {
    match status {
        204 => PingAnswer::NoBid { reason: None },
        200..=299 => match object::<Answer>(body) {
            Some(answer) => answer.meaning(),
            None => PingAnswer::Bad("the body is no JSON object of the expected form"),
        },
        429 => PingAnswer::Throttled,
        other => PingAnswer::Error(other),
    }
}

impl Answer {
    fn meaning(self) -> PingAnswer {
        let reason = said(self.reason, 200);
        match (self.bid, self.accept, self.exclusive) {
            (Some(Value::String(bid)), None | Some(Value::Bool(true)), None) => {
                match bid.parse::<Micros>() {
                    Ok(price) if price > Micros::ZERO => {
                        with_terms(self.bid_id, self.expires_in_s, |terms| {
                            PingAnswer::Bid(Bid { price, terms })
                        })
                    }
                    Ok(Micros::ZERO) => PingAnswer::NoBid { reason },
                    _ => PingAnswer::Bad("`bid` is no amount"),
                }
            }
            (Some(Value::Null), None | Some(Value::Bool(false)), None)
            | (None, Some(Value::Bool(false)), None) => PingAnswer::NoBid { reason },
            (None, Some(Value::Bool(true)), None) => {
                with_terms(self.bid_id, self.expires_in_s, PingAnswer::Accept)
            }
            (Some(Value::String(_) | Value::Null), Some(Value::Bool(_)), None) => {
                PingAnswer::Bad("`bid` and `accept` contradict each other")
            }
            (_, Some(accept), None) if !accept.is_boolean() => {
                PingAnswer::Bad("`accept` is neither true nor false")
            }
            (Some(_), _, None) => PingAnswer::Bad("`bid` is no text"),
            (None, None, Some(exclusive)) if exclusive.exclusive.is_none() => exclusive.meaning(),
            (None, None, None) if reason.is_some() || self.shared.is_some() => {
                PingAnswer::NoBid { reason }
            }
            (None, None, None) => PingAnswer::Bad("`bid` is missing"),
            _ => PingAnswer::Bad("`bid`, `accept` and `exclusive` contradict each other"),
        }
    }
}

fn with_terms(
    bid_id: Option<Value>,
    expires_in_s: Option<Value>,
    yes: impl FnOnce(BidTerms) -> PingAnswer,
) -> PingAnswer {
    let bid_id = match bid_id {
        None => None,
        Some(Value::String(id)) if id.chars().count() <= BID_ID => Some(id),
        Some(_) => return PingAnswer::Bad("`bid_id` is no text of at most 256 characters"),
    };
    let expires_in = match expires_in_s.as_ref().map(Value::as_u64) {
        None => None,
        Some(Some(seconds)) => Some(Duration::from_secs(seconds)),
        Some(None) => return PingAnswer::Bad("`expires_in_s` is no whole number of seconds"),
    };
    yes(BidTerms { bid_id, expires_in })
}
