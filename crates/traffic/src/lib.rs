//! Clients of the public HTTP interface, as the world has them: visitors who click, publishers who ping
//! and post, an advertiser's postbacks. And the books they keep, to hold against everybody else's.
#![forbid(unsafe_code)]

mod client;
mod dice;
mod pace;

pub use client::{Answered, Call, Pool, Unanswered};
pub use dice::Dice;
pub use pace::Pace;

/// The lead field whose value joins a client's request with what buyers journalled for it: an open
/// field, so every ping carries it.
pub const MARKER_FIELD: &str = "landing_page";
