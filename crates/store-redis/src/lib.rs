//! The state that several nodes share, in Redis: one script a step, each all or nothing.
//!
//! Redis may forget: it syncs late, and a failover loses what was not yet copied. So nothing is trusted
//! after a restart or a failover (`link`), and everything here can be made again from the log.
//! How keys are laid out and why is in `docs/adr/0013-state-of-a-cluster-in-redis.md`.
#![forbid(unsafe_code)]

mod caps;
mod claims;
mod journeys;
mod lately;
mod link;
mod names;
mod open;
mod options;
mod rebuild;
mod script;

pub use caps::RedisCaps;
pub use claims::RedisClaims;
pub use journeys::RedisJourneys;
pub use lately::{RedisLately, RedisMember};
pub use link::Health;
pub use open::{OpenError, Redis};
pub use options::RedisOptions;
pub use rebuild::Rebuild;
