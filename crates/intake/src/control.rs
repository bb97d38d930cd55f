//! The members beside `lead`: what the publisher asks for, the same for ping and direct post.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Micros;

/// Control members that ping and post share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Control {
    /// `tmax_ms`: the publisher's deadline as sent; default and ceiling are the campaign's.
    pub tmax: Option<Duration>,
    /// `sub`: `s1` to `s10`.
    pub sub: BTreeMap<String, String>,
    /// `click_id`, as sent.
    pub click_id: Option<String>,
    /// `publisher_lead_id`: the publisher's own name of the lead.
    pub publisher_lead_id: Option<String>,
    /// `slots`: how often the lead may be sold. No effect yet: every sale is exclusive.
    pub slots: u8,
    /// `already_sold`: how often the publisher sold it elsewhere. No effect yet.
    pub already_sold: u8,
    /// `min_payout`: the publisher's floor.
    pub min_payout: Option<Micros>,
    /// `exclude`: buyers the publisher does not want.
    pub exclude: Vec<Exclusion>,
    /// `test`: reaches only contracts that take test leads.
    pub test: bool,
    /// `request_id`: the idempotency key, where no header carries it.
    pub request_id: Option<String>,
}

/// One entry of `exclude`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exclusion {
    /// A buyer by name.
    Buyer(String),
    /// `sha256:`: hash of a consumer's key at a buyer. No effect yet.
    Sha256([u8; 32]),
}
