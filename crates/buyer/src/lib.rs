//! The wire format of buyers: bytes of a ping and of a post, and the meaning of the answers.
//!
//! Pure: a shell sends the bytes. A ping is built from [`domain::PingFields`] alone, which cannot
//! hold contact data. What it means that an answer never came is the auction's business.
//!
//! Shared sales and `floor` are not in these messages yet.
#![forbid(unsafe_code)]

mod head;
mod ping;
mod post;

pub use head::{PingHead, SourceView};
pub use ping::{Bid, BidTerms, PingAnswer, build_ping, parse_ping};
pub use post::{NotTaken, PostAnswer, PostHead, UnclearWhy, build_post, consent_json, parse_post};
