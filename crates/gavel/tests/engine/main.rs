//! `gavel clickhouse` as its clients meet it: the real binary, the real engine, real sockets.
//!
//! The engine may start once per process, so every test starts a process of its own. Without the
//! engine's library these tests say that they are skipped; in CI that is a failure.

#![expect(
    clippy::disallowed_methods,
    reason = "a test finds the engine by the environment and starts tasks of its own"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test fails by panicking"
)]

mod backups;
mod clients;
mod connections;
mod crash;
mod crowd;
mod errors;
mod forms;
mod gaps;
mod inserts;
#[path = "../library/mod.rs"]
mod library;
mod lifecycle;
mod native;
mod parallel;
mod queries;
mod readers;
mod reference;
mod remote;
mod server;
mod sessions;
mod warehouse;
mod worker;
