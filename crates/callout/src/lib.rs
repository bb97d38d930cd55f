//! Calls to partners: buyers' endpoints and publishers' postbacks.
//!
//! HTTP/1.1 over connection pools that never hold more than their cap, with a limit on everything and
//! with the difference between what was sent and what was not (docs/adr/0005).
#![forbid(unsafe_code)]

mod exchange;
mod host;
mod pool;

pub use exchange::{Answer, ExchangeError, Target, call, post};
pub use host::host;
pub use pool::{ConnectError, Origin, Place, Pool, PoolLimits, connector};
