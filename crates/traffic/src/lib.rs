//! Clients of the public HTTP interface, as the world has them: visitors who click, publishers who ping
//! and post, an advertiser's postbacks. And the books they keep, to hold against everybody else's.
#![forbid(unsafe_code)]

mod client;
mod dice;
mod pace;

pub use client::{Answered, Call, Pool, Unanswered};
pub use dice::Dice;
pub use pace::Pace;
