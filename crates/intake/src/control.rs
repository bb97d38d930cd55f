//! The members beside `lead`: what the publisher asks for, the same for ping and direct post.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{BuyerName, Micros};

use crate::issue::Fault;
use crate::members::{Members, plain};
use crate::{Body, Issue, IssueCode};

/// Control members that ping and post share.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// `already_sold`: how often the publisher sold it elsewhere.
    pub already_sold: u8,
    /// `min_payout`: the publisher's floor.
    pub min_payout: Option<Micros>,
    /// `exclude`: who is not to get the lead.
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
    Buyer(BuyerName),
    /// `sha256:` and 64 hex digits: the hash of a buyer's name.
    Sha256([u8; 32]),
}

/// The longest `publisher_lead_id`.
const PUBLISHER_LEAD_ID: usize = 128;

/// The sub ids there are.
pub const SUBS: [&str; 10] = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10"];

impl Control {
    pub(crate) fn read(members: &mut Members<'_, '_>, issues: &mut Vec<Issue>) -> Self {
        let money = "expected an amount as text: \"12.50\"";
        Self {
            tmax: members
                .int("tmax_ms", 1, 600_000)
                .map(Duration::from_millis),
            sub: match members.object("sub") {
                Some(object) => {
                    let mut subs = Members::new(object, "/sub", issues);
                    let read = SUBS
                        .into_iter()
                        .filter_map(|name| Some((name.to_owned(), subs.text(name, 255)?)))
                        .collect();
                    subs.finish();
                    read
                }
                None => BTreeMap::new(),
            },
            click_id: members.text("click_id", 128),
            publisher_lead_id: members.text("publisher_lead_id", PUBLISHER_LEAD_ID),
            slots: members.int("slots", 1, 8).unwrap_or(1),
            already_sold: members.int("already_sold", 0, 100).unwrap_or(0),
            min_payout: members.parsed("min_payout", money, |text| {
                text.parse().ok().filter(|floor| *floor >= Micros::ZERO)
            }),
            exclude: members.list("exclude", 100, exclusion),
            test: members.flag("test").unwrap_or(false),
            request_id: members.parsed(
                "request_id",
                "expected 1 to 255 plain characters",
                |text| {
                    let plain = !text.is_empty() && text.len() <= 255;
                    (plain && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.to_owned())
                },
            ),
        }
    }
}

/// A body's `publisher_lead_id`, whatever else is wrong with the body; none if there is none that could
/// be taken.
pub fn publisher_lead_id<'b>(body: &'b Body<'_>) -> Option<&'b str> {
    body.text("publisher_lead_id")
        .and_then(publisher_lead_id_of)
}

/// A text that could be a `publisher_lead_id`.
pub fn publisher_lead_id_of(text: &str) -> Option<&str> {
    plain(text, PUBLISHER_LEAD_ID).is_ok().then_some(text)
}

fn exclusion(text: &str) -> Result<Exclusion, Fault> {
    let read = match text.strip_prefix("sha256:") {
        Some(hex) => data_encoding::HEXLOWER_PERMISSIVE
            .decode(hex.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Exclusion::Sha256),
        None => text.parse().ok().map(Exclusion::Buyer),
    };
    read.ok_or_else(|| {
        let message = "expected a buyer's name or `sha256:` and 64 hex digits";
        Fault::new(IssueCode::Invalid, message)
    })
}
