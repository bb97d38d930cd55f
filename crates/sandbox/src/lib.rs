//! Sandbox buyers: real HTTP servers that speak the native buyer format and behave as buyers do.
//!
//! They bid, decline, reject, stall, reset, answer garbage or cut their answer short, each by its
//! [`Profile`] and by draws from a seed and the request's own id, so that a repeated post is answered
//! as the first one was. Every answer is in the buyer's [`Entry`] journal before it leaves: what that
//! journal calls accepted is what the buyer believes it has bought. Test leads steer the buyers by
//! magic ZIP codes ([`Magic`]).
#![forbid(unsafe_code)]

mod buyer;
mod draw;
mod fault;
mod journal;
mod magic;
mod plan;
mod profile;
mod server;
mod tap;
mod wire;

pub use journal::{Answer, Delivery, Entry, JournalError, Kind, read_journals};
pub use magic::Magic;
pub use profile::{Latency, Market, PingManners, PostManners, Profile, ProfileError};
pub use server::{Listen, Listening, Options, Sandbox, StartError};
pub use tap::{Seen, Tap, Verdict};
