//! Who brings a notice to its publisher.

use std::future::Future;

use warehouse::PostbackRow;

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The status of the answer; none if there was no whole answer.
    pub status: Option<u16>,
    /// Why it failed; none if the publisher's server took it.
    pub error: Option<String>,
}

/// Brings notices.
pub trait Carrier: Send + Sync + 'static {
    /// The publishers that can be told, and how many notices one takes at a time.
    fn publishers(&self) -> Vec<(String, usize)>;

    /// Makes one attempt. Ends in bounded time.
    fn send(&self, notice: &PostbackRow) -> impl Future<Output = Answered> + Send;
}
