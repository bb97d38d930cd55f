//! The embedded ClickHouse: libchdb behind ClickHouse's HTTP interface.
//!
//! Worker and console know only that interface, so an embedded engine and a server are the same to
//! them. `fetch` gets the library, `server` serves it; `ffi` is the only unsafe code.

#![deny(unsafe_op_in_unsafe_fn)]

mod answer;
pub mod backup;
mod blocks;
mod body;
mod codec;
mod describe;
pub mod direct;
mod door;
mod early;
mod exception;
mod external;
pub mod fetch;
mod ffi;
mod format;
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod handler;
mod host;
mod input;
mod job;
mod lease;
mod lexer;
mod lock;
mod manifest;
mod multipart;
mod native;
mod output;
mod pipe;
mod profile;
mod progress;
mod request;
pub mod roll;
mod running;
pub mod server;
mod sessions;
mod statement;
mod target;
mod text;
pub mod users;

pub use ffi::{EngineError, exit_at_once, run_when_idle};
pub use host::BootError;
pub use lock::LockError;
pub use manifest::{Holds, ManifestError};
pub use request::Access;
