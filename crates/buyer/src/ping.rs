//! The native ping and its answer.

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
        match (self.bid, self.exclusive) {
            (Some(Value::String(bid)), None) => match bid.parse::<Micros>() {
                Ok(price) if price > Micros::ZERO => offer(price, self.bid_id, self.expires_in_s),
                Ok(Micros::ZERO) => PingAnswer::NoBid { reason },
                _ => PingAnswer::Bad("`bid` is no amount"),
            },
            (Some(Value::Null), None) => PingAnswer::NoBid { reason },
            (Some(_), None) => PingAnswer::Bad("`bid` is no text"),
            (None, Some(exclusive)) if exclusive.exclusive.is_none() => exclusive.meaning(),
            (None, None) if reason.is_some() || self.shared.is_some() => {
                PingAnswer::NoBid { reason }
            }
            (None, None) => PingAnswer::Bad("`bid` is missing"),
            _ => PingAnswer::Bad("`bid` and `exclusive` contradict each other"),
        }
    }
}

fn offer(price: Micros, bid_id: Option<Value>, expires_in_s: Option<Value>) -> PingAnswer {
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
    PingAnswer::Bid(Bid {
        price,
        bid_id,
        expires_in,
    })
}
