//! The wire format of buyers: bytes of a ping and of a post, and the meaning of the answers.
//!
//! Pure: a shell sends the bytes. A ping is built from [`domain::PingFields`] alone, which cannot
//! hold contact data.
#![forbid(unsafe_code)]

mod ping;
mod post;

pub use ping::{Bid, PingAnswer, PingHead, SourceView, build_ping, parse_ping};
pub use post::{NotTaken, PostAnswer, PostHead, UnclearWhy, build_post, parse_post};
