//! The worker: turns the log into what analysts read, and ends what routers left open.
//!
//! ```text
//! topic leads  -> fold into claims -> settle caps, forward sales to topic events
//!      '------------------------------------------.
//! topic events -> journeys -> conversions, credits -> rows -> ClickHouse
//! both, later  -> are their rows there?
//! rules change -> journeys, a few a batch -> rows again
//! ```
//! Three readers with offsets of their own: the first must not wait for ClickHouse. A batch is processed,
//! inserted, acknowledged, and only then committed. Every step may be repeated after a crash: folds
//! know their offsets, settlements are idempotent, forwarded events have derived ids, rows are replaced
//! by version.
#![forbid(unsafe_code)]

mod aside;
mod audit;
mod events;
mod forward;
mod gather;
mod journey;
mod leads;
mod letter;
mod notice;
mod options;
mod overdue;
mod progress;
mod reading;
mod rows;
mod sale;
mod sink;
mod walk;
mod worker;

pub use attribution::{GoalRules, Pay, Rules, Views, Windows};
pub use events::journey_updates;
pub use notice::Told;
pub use options::{Options, Policy};
pub use progress::{Progress, READ_AGAIN};
pub use rows::event::row as event_row;
pub use sink::Sink;
pub use worker::Worker;
