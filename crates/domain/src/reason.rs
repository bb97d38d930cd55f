//! Outcomes and reasons: stable strings and numbers, never reused. They are data, not errors.

use std::fmt;

use crate::{FieldName, Limit, Meter};

/// How a lead ended, or that it has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LeadStatus {
    /// A buyer accepted a post.
    Sold = 1,
    /// The book ran and nobody took it, or it was interrupted.
    Unsold = 2,
    /// Refused by us before the book ran.
    Rejected = 3,
    /// Seen before, by the campaign's rule.
    Duplicate = 4,
    /// Not ended yet.
    Pending = 5,
}

impl LeadStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Sold,
        Self::Unsold,
        Self::Rejected,
        Self::Duplicate,
        Self::Pending,
    ];

    /// The word in answers and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sold => "sold",
            Self::Unsold => "unsold",
            Self::Rejected => "rejected",
            Self::Duplicate => "duplicate",
            Self::Pending => "pending",
        }
    }

    /// The number in records.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// From the number in a record.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.number() == number)
    }

    /// Whether nothing can change it any more but a return.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending)
    }
}

impl fmt::Display for LeadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a lead that is not sold is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LeadReason {
    /// No contract was eligible.
    NoEligibleContract = 1,
    /// Contracts were eligible, none bid enough.
    NoBid = 2,
    /// Everybody who was posted refused.
    AllRejected = 3,
    /// Nobody was left to post in the time or attempts allowed.
    LadderEnded = 4,
    /// The service died before any post left; nothing was sold.
    Interrupted = 5,
    /// A post is unclear and waits for settlement.
    InDoubt = 6,
    /// The answer is not there yet.
    InProgress = 7,
    /// The consumer is on one of the campaign's suppression lists.
    Suppressed = 8,
    /// The publisher has sold as many leads here as it may.
    PublisherCap = 9,
    /// The consumer's consent does not do.
    Consent = 10,
    /// The campaign does not take leads from this source.
    Source = 11,
    /// The campaign had this consumer before.
    Duplicate = 12,
}

impl LeadReason {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::NoEligibleContract,
        Self::NoBid,
        Self::AllRejected,
        Self::LadderEnded,
        Self::Interrupted,
        Self::InDoubt,
        Self::InProgress,
        Self::Suppressed,
        Self::PublisherCap,
        Self::Consent,
        Self::Source,
        Self::Duplicate,
    ];

    /// The code in answers and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoEligibleContract => "no_eligible_contract",
            Self::NoBid => "no_bid",
            Self::AllRejected => "all_rejected",
            Self::LadderEnded => "ladder_ended",
            Self::Interrupted => "interrupted",
            Self::InDoubt => "in_doubt",
            Self::InProgress => "in_progress",
            Self::Suppressed => "suppressed",
            Self::PublisherCap => "publisher_cap",
            Self::Consent => "consent",
            Self::Source => "source",
            Self::Duplicate => "duplicate",
        }
    }

    /// A sentence for a person.
    pub const fn message(self) -> &'static str {
        match self {
            Self::NoEligibleContract => "no contract of this campaign takes this lead",
            Self::NoBid => "no buyer offered enough",
            Self::AllRejected => "every buyer that was posted refused the lead",
            Self::LadderEnded => "no further buyer could be posted within the limits",
            Self::Interrupted => "the lead was interrupted before it was posted to anybody",
            Self::InDoubt => "a buyer's answer is unclear and is being settled",
            Self::InProgress => "the lead is still being worked on",
            Self::Suppressed => "the consumer does not want to be contacted",
            Self::PublisherCap => "the publisher has reached its cap on this campaign",
            Self::Consent => "the consumer's consent does not cover this campaign",
            Self::Source => "the campaign takes no leads from this source",
            Self::Duplicate => "the campaign had this consumer before",
        }
    }

    /// The number in records.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// From the number in a record.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.number() == number)
    }
}

/// Why a contract did, or did not, take a lead: exactly one per contract considered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContractReason {
    /// It bought the lead.
    Won,
    /// Another contract was worth more.
    LostToHigher,
    /// The lead was sold before its turn came.
    NotNeeded,
    /// Its price cannot reach the publisher's floor, the quote or the margin.
    BelowFloor,
    /// The buyer answered the ping without a bid.
    NoBid,
    /// The ping was not answered inside the window.
    PingTimeout,
    /// The ping failed: refused, reset, an HTTP error.
    PingError,
    /// An answer could not be read.
    BadResponse,
    /// A filter on this field is false.
    Filtered(FieldName),
    /// Outside its schedule.
    Schedule,
    /// It does not buy from this source.
    SourceBlocked,
    /// This cap is full.
    Cap(Limit),
    /// The buyer's balance does not allow it.
    Balance,
    /// The contract or its buyer is switched off.
    Paused,
    /// The consumer is on a suppression list.
    Suppressed,
    /// The buyer had this consumer before.
    BuyerDuplicate,
    /// Outside its geography.
    Geo,
    /// The consent does not name it.
    NotConsented,
    /// Its breaker is open.
    BreakerOpen,
    /// Over its rate, or it answered 429.
    Throttled,
    /// A test lead for a live contract, or the other way round.
    TestMismatch,
    /// The publisher excluded it.
    ExcludedByPublisher,
    /// It does not fit the chosen set.
    Incompatible,
    /// Its bid ran out before the post.
    BidExpired,
    /// Too little time was left to post.
    NoTime,
    /// The lead was posted as often as allowed.
    PostLimit,
    /// It refused the post.
    BuyerRejected,
    /// It refused the post as a duplicate.
    BuyerSaysDuplicate,
    /// No connection for the post was had in time: nothing was sent, and the lead went on.
    PostTimeout,
    /// The post could not be sent at all: refused, no place for it in the store or the log.
    PostError,
    /// A post left and its answer is unclear, or the buyer will say later: it waits for settlement.
    InDoubt,
    /// It was in doubt, its contract allows to sell such leads again, and the lead went on.
    Abandoned,
    /// It accepted after the lead had gone elsewhere: recorded, never billed.
    LateAccept,
    /// Called off because nobody waits for its answer any more.
    Cancelled,
}

impl ContractReason {
    /// The stable number.
    pub const fn number(&self) -> u8 {
        match self {
            Self::Won => 1,
            Self::LostToHigher => 2,
            Self::NotNeeded => 3,
            Self::BelowFloor => 4,
            Self::NoBid => 5,
            Self::PingTimeout => 6,
            Self::PingError => 7,
            Self::BadResponse => 8,
            Self::Filtered(_) => 9,
            Self::Schedule => 10,
            Self::SourceBlocked => 11,
            Self::Cap(_) => 12,
            Self::Balance => 13,
            Self::Paused => 14,
            Self::Suppressed => 15,
            Self::BuyerDuplicate => 16,
            Self::Geo => 17,
            Self::NotConsented => 18,
            Self::BreakerOpen => 19,
            Self::Throttled => 20,
            Self::TestMismatch => 21,
            Self::ExcludedByPublisher => 22,
            Self::Incompatible => 23,
            Self::BidExpired => 24,
            Self::NoTime => 25,
            Self::PostLimit => 26,
            Self::BuyerRejected => 27,
            Self::BuyerSaysDuplicate => 28,
            Self::PostTimeout => 29,
            Self::PostError => 30,
            Self::InDoubt => 31,
            Self::Abandoned => 32,
            Self::LateAccept => 33,
            Self::Cancelled => 34,
        }
    }

    /// The stable word, without its argument.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::LostToHigher => "lost_to_higher",
            Self::NotNeeded => "not_needed",
            Self::BelowFloor => "below_floor",
            Self::NoBid => "no_bid",
            Self::PingTimeout => "ping_timeout",
            Self::PingError => "ping_error",
            Self::BadResponse => "bad_response",
            Self::Filtered(_) => "filtered",
            Self::Schedule => "schedule",
            Self::SourceBlocked => "source_blocked",
            Self::Cap(_) => "cap",
            Self::Balance => "balance",
            Self::Paused => "paused",
            Self::Suppressed => "suppressed",
            Self::BuyerDuplicate => "buyer_duplicate",
            Self::Geo => "geo",
            Self::NotConsented => "not_consented",
            Self::BreakerOpen => "breaker_open",
            Self::Throttled => "throttled",
            Self::TestMismatch => "test_mismatch",
            Self::ExcludedByPublisher => "excluded_by_publisher",
            Self::Incompatible => "incompatible",
            Self::BidExpired => "bid_expired",
            Self::NoTime => "no_time",
            Self::PostLimit => "post_limit",
            Self::BuyerRejected => "buyer_rejected",
            Self::BuyerSaysDuplicate => "buyer_says_duplicate",
            Self::PostTimeout => "post_timeout",
            Self::PostError => "post_error",
            Self::InDoubt => "in_doubt",
            Self::Abandoned => "abandoned",
            Self::LateAccept => "late_accept",
            Self::Cancelled => "cancelled",
        }
    }
}

impl From<Limit> for ContractReason {
    /// The reason of a contract that has no room under this limit.
    fn from(limit: Limit) -> Self {
        match limit.meter {
            Meter::Cap { .. } => Self::Cap(limit),
            Meter::Balance => Self::Balance,
        }
    }
}

impl fmt::Display for ContractReason {
    /// The code with its argument: `filtered(zip)`, `cap(buyer month money)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filtered(field) => write!(f, "filtered({field})"),
            Self::Cap(limit) => write!(f, "cap({limit})"),
            other => f.write_str(other.code()),
        }
    }
}

/// Where one leg of a lead stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LegState {
    /// Its post left, or may have, and no answer is known.
    Posting = 1,
    /// The buyer accepted.
    Accepted = 2,
    /// The buyer refused, or the post was never sent.
    Rejected = 3,
    /// The answer is unclear: settlement decides.
    InDoubt = 4,
}

impl LegState {
    /// The word in answers and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Posting => "posting",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::InDoubt => "in_doubt",
        }
    }

    /// The number in records.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// From the number in a record.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Posting, Self::Accepted, Self::Rejected, Self::InDoubt]
            .into_iter()
            .find(|state| state.number() == number)
    }
}

/// How a leg in doubt was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Settlement {
    /// The buyer has the lead and pays.
    Accepted,
    /// The buyer does not have it.
    Rejected,
}

impl Settlement {
    /// The leg's state it brings about.
    pub const fn leg_state(self) -> LegState {
        match self {
            Self::Accepted => LegState::Accepted,
            Self::Rejected => LegState::Rejected,
        }
    }

    /// `accepted` or `rejected`.
    pub const fn as_str(self) -> &'static str {
        self.leg_state().as_str()
    }
}

/// Who settled a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SettledBy {
    /// The buyer's call-back.
    Buyer,
    /// An operator.
    Operator,
    /// Time: the buyer said that it would decide, and did not.
    Deadline,
}

impl SettledBy {
    /// The word in records and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Operator => "operator",
            Self::Deadline => "deadline",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back() {
        for status in LeadStatus::ALL {
            assert_eq!(LeadStatus::from_number(status.number()), Some(status));
        }
        for reason in LeadReason::ALL {
            assert_eq!(LeadReason::from_number(reason.number()), Some(reason));
        }
        assert_eq!(LeadStatus::from_number(0), None);
        assert_eq!(LegState::from_number(4), Some(LegState::InDoubt));
        let reason = |counter: &str| {
            let counter: crate::CounterKey = counter.parse().unwrap();
            ContractReason::from(counter.limit()).to_string()
        };
        assert_eq!(reason("c:b/c/d1"), "cap(day)");
        assert_eq!(reason("b:b/balance"), "balance");
    }
}
