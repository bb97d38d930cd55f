//! The worker: turns the log into what analysts read, and ends what routers left open.
//!
//! ```text
//! topic leads  -> fold into claims -> settle caps -> rows; a sale is forwarded to topic events
//! topic events -> journeys -> conversions, credits -> rows
//! ```
//! A batch is processed, inserted, acknowledged, and only then committed. Every step may be repeated
//! after a crash: folds know their offsets, settlements are idempotent, forwarded events have derived
//! ids, rows are replaced by version.
#![forbid(unsafe_code)]

mod events;
mod gather;
mod journey;
mod leads;
mod letter;
mod options;
mod overdue;
mod progress;
mod rows;
mod sale;
mod sink;
mod worker;

pub use options::Options;
pub use progress::Progress;
pub use sink::Sink;
pub use worker::Worker;
