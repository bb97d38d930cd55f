//! What routers learnt lately of those whom they call, told to one another: breakers that turned, and how
//! calls and posts ended.
//!
//! Statistics: what is lost makes nothing wrong, and nobody waits for it. A router goes on with what it knows,
//! tells and hears in one call every now and then, and goes on alone where that fails.

use std::future::Future;
use std::time::Duration;

use proto::LatelyNews;

use crate::StoreError;

/// Leave to probe is given to one at a time, for so long from the last time it was asked for.
pub const LEASE: Duration = Duration::from_secs(5);

/// What a router tells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Told {
    /// What it learnt since it told the last time.
    pub news: LatelyNews,
    /// Doors at which a call waits for leave to probe.
    pub wants: Vec<String>,
    /// Doors at which its probe is under way.
    pub probes: Vec<String>,
}

/// What a router hears.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heard {
    /// What others told since it heard the last time, in their order; the first time: what is known.
    pub news: Vec<LatelyNews>,
    /// Doors at which it has leave to probe.
    pub leave: Vec<String>,
}

/// Where routers meet.
pub trait Lately: Send + Sync + 'static {
    /// A router that takes part.
    type Member: Member;

    /// One more router.
    fn join(&self) -> Self::Member;
}

/// A router that takes part.
pub trait Member: Send + 'static {
    /// Tells and hears. What was told in vain is not told again.
    fn exchange(&mut self, told: Told) -> impl Future<Output = Result<Heard, StoreError>> + Send;
}
