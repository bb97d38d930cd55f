//! On a real broker: the promises that every backend keeps, and what Kafka adds to them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails where it stands, and joins the tasks that it starts"
)]

mod broker;
mod compaction;
mod conformance;
mod erasure;
mod faults;
mod group;
mod members;
mod shipped;
