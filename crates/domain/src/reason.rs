//! Outcomes and reasons: stable strings and numbers, never reused. They are data, not errors.
//!
//! A new reason is a line below; `UPDATE_EXPECT=1 cargo test -p domain` puts it into
//! `docs/reference/reasons.md`.

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

macro_rules! contract_reasons {
    ($($variant:ident$(($argument:ty))? = $number:literal $code:literal $about:literal;)*) => {
        /// Why a contract did, or did not, take a lead: exactly one per contract considered.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ContractReason {
            $(#[doc = $about] $variant$(($argument))?,)*
        }

        impl ContractReason {
            /// Number, word and meaning of each.
            pub const ALL: &'static [(u8, &'static str, &'static str)] =
                &[$(($number, $code, $about),)*];

            /// The stable number.
            pub const fn number(&self) -> u8 {
                match self { $(Self::$variant { .. } => $number,)* }
            }

            /// The stable word, without its argument.
            pub const fn code(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $code,)* }
            }

            /// A sentence for a person.
            pub const fn message(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $about,)* }
            }
        }
    };
}

contract_reasons! {
    Won = 1 "won"
        "It bought the lead.";
    LostToHigher = 2 "lost_to_higher"
        "Another contract was worth more.";
    NotNeeded = 3 "not_needed"
        "The lead was sold before its turn came.";
    BelowFloor = 4 "below_floor"
        "Its price cannot reach the publisher's floor, the quote or the margin.";
    NoBid = 5 "no_bid"
        "The buyer answered the ping without a bid.";
    PingTimeout = 6 "ping_timeout"
        "The ping was not answered inside the window.";
    PingError = 7 "ping_error"
        "The ping failed: refused, reset, an HTTP error.";
    BadResponse = 8 "bad_response"
        "An answer could not be read.";
    Filtered(FieldName) = 9 "filtered"
        "A filter on this field is false.";
    Schedule = 10 "schedule"
        "Outside its schedule.";
    SourceBlocked = 11 "source_blocked"
        "It does not buy from this source.";
    Cap(Limit) = 12 "cap"
        "This cap is full.";
    Balance = 13 "balance"
        "The buyer's balance does not allow it.";
    Paused = 14 "paused"
        "The contract or its buyer is switched off.";
    Suppressed = 15 "suppressed"
        "The consumer is on a suppression list.";
    BuyerDuplicate = 16 "buyer_duplicate"
        "The buyer had this consumer before.";
    Geo = 17 "geo"
        "Outside its geography.";
    NotConsented = 18 "not_consented"
        "It needs the consumer's consent, and the lead carries none that does.";
    BreakerOpen = 19 "breaker_open"
        "Its breaker is open.";
    Throttled = 20 "throttled"
        "Over its rate, or it answered 429.";
    TestMismatch = 21 "test_mismatch"
        "A test lead for a live contract, or the other way round.";
    ExcludedByPublisher = 22 "excluded_by_publisher"
        "The publisher excluded it.";
    Incompatible = 23 "incompatible"
        "It takes no lead that was sold so often already, or it does not fit the chosen set.";
    BidExpired = 24 "bid_expired"
        "Its bid ran out before the post.";
    NoTime = 25 "no_time"
        "Too little time was left to post.";
    PostLimit = 26 "post_limit"
        "The lead was posted as often as allowed.";
    BuyerRejected = 27 "buyer_rejected"
        "It refused the post.";
    BuyerSaysDuplicate = 28 "buyer_says_duplicate"
        "It refused the post as a duplicate.";
    PostTimeout = 29 "post_timeout"
        "No connection for the post was had in time: nothing was sent, and the lead went on.";
    PostError = 30 "post_error"
        "The post could not be sent at all: refused, no place for it in the store or the log.";
    InDoubt = 31 "in_doubt"
        "A post left and its answer is unclear, or the buyer will say later: it waits for settlement.";
    Abandoned = 32 "abandoned"
        "It was in doubt, its contract allows to sell such leads again, and the lead went on.";
    LateAccept = 33 "late_accept"
        "It accepted after the lead had gone elsewhere: recorded, never billed.";
    Cancelled = 34 "cancelled"
        "Called off because nobody waits for its answer any more.";
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

    #[test]
    fn the_reference_page_has_all() {
        use std::collections::BTreeSet;
        use std::fmt::Write as _;
        let mut page = "# Statuses and reasons\n\nMade from `crates/domain/src/reason.rs`. Words and numbers are \
            stable and never reused.\n\n## Leads\n\n`sold`, `unsold` (the book ran and nobody took it), \
            `rejected` (refused before the book ran), `duplicate`, `pending`.\nA lead that is not sold has a \
            reason:\n\n| reason | meaning |\n|---|---|\n"
            .to_owned();
        for reason in LeadReason::ALL {
            let _ = writeln!(page, "| `{}` | {} |", reason.as_str(), reason.message());
        }
        page.push_str(
            "\n## Contracts\n\nEvery contract of the book ends with one reason: at the ping, and again at the \
             post if it got so far; the last\none counts. `filtered` names the field, `cap` the limit: \
             `filtered(zip)`, `cap(day)`.\n\n| reason | number | meaning |\n|---|---|---|\n",
        );
        let mut seen = BTreeSet::new();
        for (number, code, about) in ContractReason::ALL {
            assert!(
                seen.insert(number.to_string()) && seen.insert((*code).to_owned()),
                "{code}"
            );
            let _ = writeln!(page, "| `{code}` | {number} | {about} |");
        }
        expect_test::expect_file![concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/reference/reasons.md"
        )]
        .assert_eq(&page);
    }
}
