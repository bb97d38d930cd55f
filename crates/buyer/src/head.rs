//! What pings and posts have in common: the head, the lead's fields as JSON; and how an
//! answer is read.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{BuyerPingId, CampaignName, ContractName, Currency, FieldName, FieldValue};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Where a lead comes from, as a buyer may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceView<'a> {
    /// A stable pseudonym of the publisher.
    pub publisher: &'a str,
    /// Pseudonyms of its sub ids.
    pub sub: &'a BTreeMap<String, String>,
}

/// What a ping says beside the lead.
#[derive(Debug, Clone)]
pub struct PingHead<'a> {
    /// Our id of this ping.
    pub ping_id: BuyerPingId,
    /// The campaign.
    pub campaign: &'a CampaignName,
    /// The contract.
    pub contract: &'a ContractName,
    /// How long the buyer has to answer.
    pub tmax: Duration,
    /// The currency of all amounts.
    pub currency: Currency,
    /// A test lead.
    pub test: bool,
    /// How often the publisher sold the lead elsewhere.
    pub already_sold: u8,
    /// The lead's source.
    pub source: SourceView<'a>,
}

/// The head as JSON; the members of a message that embed it come after its own.
#[derive(serde::Serialize)]
pub(crate) struct WireHead<'a> {
    ping_id: String,
    campaign: &'a str,
    contract: &'a str,
    tmax_ms: u64,
    currency: &'a str,
    test: bool,
    sale: WireSale,
    source: WireSource<'a>,
}

/// Every sale is exclusive.
#[derive(serde::Serialize)]
struct WireSale {
    mode: &'static str,
    max_sold: u8,
    already_sold: u8,
}

#[derive(serde::Serialize)]
struct WireSource<'a> {
    publisher: &'a str,
    sub: &'a BTreeMap<String, String>,
}

impl<'a> WireHead<'a> {
    pub(crate) fn new(head: &'a PingHead<'a>) -> Self {
        Self {
            ping_id: head.ping_id.to_string(),
            campaign: head.campaign.as_str(),
            contract: head.contract.as_str(),
            tmax_ms: u64::try_from(head.tmax.as_millis()).unwrap_or(u64::MAX),
            currency: head.currency.as_str(),
            test: head.test,
            sale: WireSale {
                mode: "exclusive",
                max_sold: 1,
                already_sold: head.already_sold,
            },
            source: WireSource {
                publisher: head.source.publisher,
                sub: head.source.sub,
            },
        }
    }
}

/// Fields as a JSON object, each in its own JSON type.
pub(crate) struct WireFields<I>(pub(crate) I);

impl<'a, I> Serialize for WireFields<I>
where
    I: Iterator<Item = (&'a FieldName, &'a FieldValue)> + Clone,
{
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (name, value) in self.0.clone() {
            match value {
                FieldValue::Text(text) => map.serialize_entry(name.as_str(), text)?,
                FieldValue::Int(number) => map.serialize_entry(name.as_str(), number)?,
                FieldValue::Bool(yes) => map.serialize_entry(name.as_str(), yes)?,
            }
        }
        map.end()
    }
}

/// Text of a buyer, without control characters and cut to `max` characters; none if nothing is left.
pub(crate) fn said(text: Option<serde_json::Value>, max: usize) -> Option<String> {
    let serde_json::Value::String(text) = text? else {
        return None;
    };
    let kept: String = text
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(max)
        .collect();
    (!kept.is_empty()).then_some(kept)
}

/// A body that is one JSON object. Serde would also read a list as the members in their order.
pub(crate) fn object<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(body).ok()
}
