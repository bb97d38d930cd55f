//! The embedded backend: all ports in one process, on the disk of one machine or in its memory.
//!
//! ```text
//! routers -> claims, caps (live, ahead of the log)      worker -> Claims::fold, Caps::settle, Journeys
//!        '-> journal of topic leads -> keeper: shadow = fold of the log -> snapshots
//!                                              |              |        '-> archive: what ended, on disk alone
//!                                     open: newest snapshot + the rest of the log -> claims, caps
//! ```
//!
//! The log is the truth. Live claims and caps move ahead of it, so they are never written down;
//! a restart builds them from the fold of the log alone: holds vanish, pins and committed units stay,
//! leases have lapsed. A lead that ended minutes ago goes from memory to disk, in one step for whoever
//! looks for it. Journeys change in log order only, so each generation of them is its own snapshot.
//!
//! In the data directory: `events/ leads/ catalog/` (one journal each), `groups/` (committed
//! offsets), `snapshots/leads/ snapshots/journeys/`, `cold/` (what is too much for memory), and `vault/`
//! (a file of keys per day).
#![forbid(unsafe_code)]

mod archive;
mod caps;
mod claims;
mod clock;
mod cold;
mod ended;
mod error;
mod floor;
mod framed;
mod journeys;
mod keeper;
mod lately;
mod local;
mod log;
mod names;
mod options;
mod past;
mod remembered;
mod shadow;
mod sharded;
mod snapshot;
mod vault;

pub use caps::LocalCaps;
pub use claims::LocalClaims;
pub use error::{FileError, OpenError};
pub use journeys::LocalJourneys;
pub use lately::{LocalLately, LocalMember};
pub use local::Local;
pub use log::{LocalConsumer, LocalLog, LocalReplay, append_error, space_of};
pub use options::{LocalOptions, OnFailure};
pub use vault::LocalVault;
