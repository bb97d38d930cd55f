//! The notifier: tells publishers what became of their conversions (docs/adr/0009).
//!
//! ```text
//! worker -> postbacks (waiting) -> lines, one for each publisher -> its URL
//!              ^---------------- told, or later again, or dead ------'
//! ```
//! Table `postbacks` is the queue. What is in memory is a part of it, bounded for each publisher: handed
//! over by the worker as it is written, and read from the table at the start and whenever something did
//! not fit. Nothing is sent that is not in the table.
#![forbid(unsafe_code)]

mod backoff;
mod carrier;
mod handoff;
mod http;
mod lines;
mod message;
mod notifier;
mod outbox;

pub use backoff::Backoff;
pub use carrier::{Answered, Carrier};
pub use handoff::{Handoff, Inbox, handoff};
pub use http::{Http, HttpError};
pub use notifier::{Notifier, Options, Parts};
pub use outbox::Outbox;
