//! A driver's view of what reaches the buyers, and its power to leave a request without an answer.
//!
//! A chaos run needs moments such as "a post is out": it holds the answer back and kills the service.

use crate::Kind;

/// A request that has just been read.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The buyer's name.
    pub buyer: &'a str,
    /// Ping or post.
    pub kind: Kind,
    /// The ping's id.
    pub ping_id: &'a str,
    /// The key of a post.
    pub idempotency_key: Option<&'a str>,
    /// The marker field of the lead; empty if it has none.
    pub marker: &'a str,
}

/// What becomes of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The profile decides.
    Answer,
    /// The buyer decides and journals as ever, and never answers.
    Hold,
}

/// Called for every request, before it is decided; must not block.
pub trait Tap: Send + Sync {
    /// Says what becomes of the answer.
    fn seen(&self, seen: Seen<'_>) -> Verdict;
}
