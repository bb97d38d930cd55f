//! The native post and what its answer means: taken, not taken, or unclear.

use std::collections::BTreeSet;

use domain::{BuyerKey, FullLead, LeadId, Micros, Timestamp};

use crate::PingHead;

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
}

/// Statuses that a contract declares to mean "not taken", beside 400-499 without 408 and 409.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotTaken(pub BTreeSet<u16>);

/// What a buyer's answer to a post means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostAnswer {
    /// It has the lead and pays.
    Accepted {
        /// Its own id of the lead.
        reference: Option<String>,
        /// The price it names.
        price: Option<Micros>,
        /// Where the consumer is to go.
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
    /// 3xx, 408, 409, 5xx, or a status that does not exist.
    Status(u16),
    /// A 2xx that is not readable.
    Unreadable,
    /// A 2xx that no rule matches.
    NoRule,
}

/// The bytes of a post.
pub fn build_post(_head: &PostHead<'_>, _lead: &FullLead) -> Vec<u8> {
    Vec::new()
}

/// What an answer to a post means.
pub fn parse_post(_status: u16, _body: &[u8], _not_taken: &NotTaken) -> PostAnswer {
    PostAnswer::Unclear(UnclearWhy::NoRule)
}
