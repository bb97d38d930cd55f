//! Several processes of the service that share one Kafka, one Redis and one ClickHouse, all of them real.
//!
//! Without the servers' programs these tests say that they are skipped; in CI that is a failure.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests of processes, which fail by panicking"
)]

mod catalog;
mod dark;
mod faults;
mod gone;
#[path = "../library/mod.rs"]
mod library;
mod load;
mod node;
mod nodes;
mod once;
mod proxy;
mod town;
mod workers;
