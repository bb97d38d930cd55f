//! The ports behind which one machine's files and a cluster's servers look the same.
//!
//! A [`Backend`] is one set of them; the shells are generic over it and only the binary names one.
//! [`fold`] is the pure rule by which records of topic `leads` become state: every backend that
//! rebuilds claims, caps or leads uses it, and the worker is its only caller at run time.
#![forbid(unsafe_code)]

mod caps;
mod claims;
mod consumer;
pub mod fold;
pub mod generations;
pub mod journeys;
pub mod key;
mod lately;
mod log;
mod seal;
mod span;
mod together;
mod vault;

pub use caps::{Caps, Held, Pinned, counter_kept};
pub use claims::{
    Admission, AdmitRequest, ClaimKey, Claims, Digest, Folded, LeadView, Lookup, PING_KEPT,
    PostingClaim,
};
pub use consumer::{
    Against, ConsumerClaim, ConsumerHash, DuplicateRule, Earlier, KeySet, Standing, Verdict,
};
pub use journeys::{
    Anew, Applied, Clicked, Identity, Journey, JourneyUpdate, Journeys, Limits, News, Node, Person,
    Place, Telling, What,
};
pub use lately::{Heard, LEASE, Lately, Member, Told};
pub use log::{Ack, Consumer, Delivery, EventLog, LogError, Position, Record, Replay, Topic};
pub use seal::{LeadKey, SealError, Sealer, WrappedKey};
pub use span::Span;
pub use together::{Each, Fate, Together};
pub use vault::Vault;

/// Why a store could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached or is shutting down: try again later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// It may have forgotten what it was told and is being rebuilt.
    #[error("the store lost its state and is being rebuilt")]
    Lost,
    /// Others make rows of these journeys by newer rules, of this number.
    #[error("journeys are read by newer rules already: {0:#x}")]
    Outdated(u32),
    /// What it holds cannot be read.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}

impl From<proto::RecordError> for StoreError {
    fn from(error: proto::RecordError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// One set of ports. Cloning shares it.
pub trait Backend: Clone + Send + Sync + 'static {
    /// The log.
    type Log: EventLog;
    /// Who holds which request, consumer and quote; leads and their states.
    type Claims: Claims;
    /// Caps.
    type Caps: Caps;
    /// Journeys.
    type Journeys: Journeys;
    /// What routers learnt lately.
    type Lately: Lately;
    /// Keys of personal data.
    type Vault: Vault;

    /// The log.
    fn log(&self) -> &Self::Log;
    /// Claims and leads.
    fn claims(&self) -> &Self::Claims;
    /// Caps.
    fn caps(&self) -> &Self::Caps;
    /// Journeys.
    fn journeys(&self) -> &Self::Journeys;
    /// What routers learnt lately.
    fn lately(&self) -> &Self::Lately;
    /// Keys of personal data.
    fn vault(&self) -> &Self::Vault;
}
