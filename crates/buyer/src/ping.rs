//! The native ping and its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{BuyerPingId, CampaignName, ContractName, Currency, FieldName, Micros, PingFields};

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
    /// The lead's source.
    pub source: SourceView<'a>,
}

/// An offer for a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bid {
    /// The price.
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
    /// 200 with a body that is no answer.
    Bad(&'static str),
    /// 429.
    Throttled,
    /// Any other status.
    Error(u16),
}

/// The bytes of a ping. Sensitive fields go out only if `sensitive` names them.
pub fn build_ping(
    _head: &PingHead<'_>,
    _fields: &PingFields,
    _sensitive: &BTreeSet<FieldName>,
) -> Vec<u8> {
    Vec::new()
}

/// What an answer to a ping means.
pub fn parse_ping(_status: u16, _body: &[u8]) -> PingAnswer {
    PingAnswer::Bad("")
}
