//! What a ladder starts from, is told, wants done and has recorded.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    BuyerKey, ContractReason, FullLead, LeadId, LeadReason, LeadStatus, LegState, Limit, Micros,
    Mono, Reservation, ReservationId, SaleFlag, Settlement, Timestamp, Usage,
};

use crate::{Book, Context, Promise, Round, Rules, Rung, Shut, Slot, Waterfall};

/// All a ladder starts from.
#[derive(Debug, Clone)]
pub struct Climb {
    /// The lead.
    pub lead: LeadId,
    /// All its fields: contracts are checked again with them before each post.
    pub fields: Arc<FullLead>,
    /// The book in force now.
    pub book: Arc<Book>,
    /// The rules in force now.
    pub rules: Rules,
    /// Who sent the lead, and when.
    pub context: Context,
    /// The ladder, best first.
    pub rungs: Vec<Rung>,
    /// What a quote promised the publisher; none for a direct post.
    pub quote: Option<Quote>,
    /// The publisher takes no payout below this.
    pub min_payout: Micros,
    /// What happened so far, of a direct post; empty after a quote.
    pub waterfall: Waterfall,
    /// Whether bids may still join: some pings are not answered yet.
    pub more: bool,
    /// Monotonic time that belongs to `context.wall`.
    pub now: Mono,
    /// When the publisher stops waiting.
    pub deadline: Mono,
    /// No post starts later than its reserve before this: the deadline, or what comes after it.
    pub last_post: Mono,
}

/// What a quote promises, as it was when it was given: what the catalog says by now is no matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// The publisher's payout.
    pub payout: Micros,
    /// When the lead may go on after a reject.
    pub promise: Promise,
    /// The least margin of a sale.
    pub min_margin: Micros,
}

/// What a ladder is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LadderInput {
    /// The hold was granted.
    Held(ReservationId),
    /// This cap is full, or the balance is spent.
    HoldFull(ReservationId, Limit),
    /// The contract is shut at the moment: nothing was asked of the store.
    Shut(ReservationId, Shut),
    /// The store could not say, or does not trust our clock.
    HoldFailed(ReservationId),
    /// The pin stands, and the claim is ours to post.
    Pinned(ReservationId),
    /// The hold had expired.
    PinExpired(ReservationId),
    /// The store could not say.
    PinFailed(ReservationId),
    /// Somebody else has the lead now.
    ClaimLost,
    /// Record `n` is acknowledged, and everything the log has of this lead before it.
    Recorded(u32),
    /// Record `n` was not taken, or nobody knows.
    RecordFailed(u32),
    /// The post of this leg was answered, or failed.
    Reply {
        /// The leg.
        leg: u16,
        /// How.
        reply: PostReply,
    },
    /// An answer to a ping came while the ladder was climbed.
    Joined {
        /// What the round has come to.
        round: Round,
        /// Whether there may be more.
        more: bool,
    },
    /// Time passed.
    Tick,
}

/// A buyer's answer to a post, in the auction's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostReply {
    /// It bought.
    Accepted {
        /// The buyer's reference.
        reference: Option<String>,
        /// What it says it pays; whether that is booked is for the contract to say.
        price: Option<Micros>,
        /// Where to send the consumer.
        redirect_url: Option<String>,
    },
    /// It did not take the lead.
    Rejected,
    /// It had the consumer before.
    Duplicate,
    /// It asked us to slow down; it did not take the lead.
    Throttled,
    /// A byte was sent and no answer can be relied on.
    Unclear,
    /// It will say later.
    Pending {
        /// By when, if it says so.
        settle_by: Option<Timestamp>,
    },
    /// Nothing was sent at all.
    NotSent(Unsent),
}

/// Why a post was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsent {
    /// No connection in time.
    TimedOut,
    /// No connection.
    Failed,
}

impl PostReply {
    /// What the ladder makes of it.
    pub fn meaning(&self) -> (LegState, ContractReason) {
        match self {
            Self::Accepted { .. } => (LegState::Accepted, ContractReason::Won),
            Self::Rejected => (LegState::Rejected, ContractReason::BuyerRejected),
            Self::Duplicate => (LegState::Rejected, ContractReason::BuyerSaysDuplicate),
            Self::Throttled => (LegState::Rejected, ContractReason::Throttled),
            Self::NotSent(Unsent::TimedOut) => (LegState::Rejected, ContractReason::PostTimeout),
            Self::NotSent(Unsent::Failed) => (LegState::Rejected, ContractReason::PostError),
            Self::Unclear | Self::Pending { .. } => (LegState::InDoubt, ContractReason::InDoubt),
        }
    }
}

/// What a sale is booked at, where that is not what its posting said, and what is odd about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// What the buyer pays.
    pub price: Micros,
    /// What the publisher gets.
    pub payout: Micros,
    /// What is odd about it.
    pub flags: Vec<SaleFlag>,
}

/// A buyer that will say later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsettled {
    /// By when.
    pub by: Timestamp,
    /// What its silence means then.
    pub then: Settlement,
}

/// How a leg ended on the ladder, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegReply {
    /// The leg.
    pub leg: u16,
    /// Accepted, rejected or in doubt.
    pub state: LegState,
    /// The contract's reason.
    pub reason: ContractReason,
    /// When that was known.
    pub at: Timestamp,
    /// From the post to its answer.
    pub took: Duration,
    /// The buyer's reference.
    pub reference: Option<String>,
    /// What the buyer said it pays.
    pub answered: Option<Micros>,
    /// What it has used of its reservation; none while that is open.
    pub usage: Option<Usage>,
    /// What is booked; of an accepted leg.
    pub booked: Option<Booked>,
    /// Until when the buyer may decide; of a leg that it has not decided on.
    pub unsettled: Option<Unsettled>,
}

/// What has to be in the log before the next effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LadderRecord {
    /// A post is about to leave.
    Posting {
        /// The leg.
        leg: u16,
        /// The contract's place in the book.
        slot: Slot,
        /// What the buyer pays.
        price: Micros,
        /// What the publisher gets.
        payout: Micros,
        /// What is pinned for it.
        reservation: Reservation,
        /// When it starts.
        started_at: Timestamp,
        /// When it is in doubt without an answer.
        reply_by: Timestamp,
        /// How the legs before it ended, as far as not recorded yet.
        replies: Vec<LegReply>,
    },
    /// The router's last word.
    Outcome {
        /// How it ended.
        ended: Ended,
        /// How legs ended, as far as not recorded yet.
        replies: Vec<LegReply>,
    },
}

/// How a ladder ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Sold, unsold or pending.
    pub status: LeadStatus,
    /// Why not sold.
    pub reason: Option<LeadReason>,
    /// The sale.
    pub sold: Option<Sold>,
    /// What happened to every contract.
    pub waterfall: Waterfall,
    /// Whether the publisher's deadline had passed: it heard `pending`.
    pub told_pending: bool,
}

/// The leg that was sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    /// The leg.
    pub leg: u16,
    /// The contract's place in the book.
    pub slot: Slot,
    /// What the buyer pays.
    pub price: Micros,
    /// What the publisher gets.
    pub payout: Micros,
    /// Where to send the consumer.
    pub redirect_url: Option<String>,
    /// What is odd about it.
    pub flags: Vec<SaleFlag>,
}

/// The end of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The outcome is acknowledged: it may be told.
    Recorded,
    /// The outcome is not acknowledged: the publisher may only hear `pending`.
    Unrecorded,
    /// Somebody else has the lead: tell its state, record nothing.
    Lost,
}

/// What a ladder wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LadderEffect {
    /// Reserve, until the expiry, unless the contract is shut.
    Hold {
        /// For a post to this contract.
        slot: Slot,
        /// What.
        reservation: Reservation,
        /// Until when.
        until: Timestamp,
    },
    /// Make it permanent; with the first pin of a lead goes the claim's move to `posting`.
    Pin {
        /// Which.
        id: ReservationId,
        /// Whether it is the first of the lead.
        first: bool,
    },
    /// Append durably, then say `Recorded`.
    Record {
        /// The router's count of records; 0 is `received`.
        n: u32,
        /// What.
        record: LadderRecord,
    },
    /// Post the lead.
    Post {
        /// The leg.
        leg: u16,
        /// To whom.
        slot: Slot,
        /// The same for every repetition of this post.
        key: BuyerKey,
        /// At which price.
        price: Micros,
        /// The buyer's name for its bid.
        bid_id: Option<String>,
        /// Its answer is read until then.
        until: Mono,
    },
    /// The leg is sold for good.
    Commit(Reservation),
    /// The leg was not sold: give back what it has not used.
    Release(Reservation, Usage),
    /// Send a tick then.
    WakeAt(Mono),
    /// Over.
    Done(Fate),
}
