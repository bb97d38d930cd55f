//! The auction: who may buy a lead, who is asked, who is posted, and what each answer means.
//!
//! Everything here is sans-IO. [`screen()`] applies the standing orders of a [`Book`] to a lead,
//! [`PingRound`] turns pings into a ladder of prices, [`PostLadder`] climbs it until somebody has
//! bought the lead. The machines are fed inputs with the time they came at and polled for effects;
//! the same inputs give the same effects, bit for bit. A post, and the end, are withheld inside
//! the machine until the record that must precede them is acknowledged.
//!
//! The auction knows no HTTP, no JSON and no buyer format.
#![forbid(unsafe_code)]

mod acceptance;
mod book;
mod breaker;
mod eligible;
mod explain;
mod gate;
mod geo;
mod ladder;
mod limits;
mod price;
mod questions;
mod round;
mod schedule;
mod screen;
mod select;
mod sources;
mod waterfall;

pub use acceptance::{Acceptance, Tally};
pub use book::{AfterTmax, Book, PingMode, PostPrice, Promise, Rules, Slot, Terms};
pub use breaker::{Breaker, BreakerRules, CallEnd, Change, News, Ticket, Turn};
pub use eligible::{Check, Failed};
pub use explain::{Explained, explain};
pub use gate::Shut;
pub use geo::{States, ZipError, Zips};
pub use ladder::{
    Booked, Climb, Ended, Fate, LadderEffect, LadderInput, LadderRecord, LegReply, PostLadder,
    PostReply, Quote, Sold, Unsent, Unsettled,
};
pub use limits::{Account, Cap, CapSize, Caps, PublisherLimits};
pub use price::{Named, Price, PriceRules};
pub use round::{
    Kind, PingEffect, PingInput, PingReply, PingRound, Round, RoundOpening, may_enter,
};
pub use schedule::{Schedule, ScheduleRow};
pub use screen::{Bar, Consumer, Context, Facts, History, LeadView, Passed, Screened, screen};
pub use select::{Bid, Policy, RankBy, Rung};
pub use sources::{SourceList, Sources, Subs};
pub use waterfall::{PingResult, PingRow, Row, Waterfall};
