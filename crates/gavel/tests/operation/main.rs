//! A service, its sandbox buyers and its engine, run as operators run them.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests of processes, which fail by panicking"
)]

mod catalog;
#[path = "../library/mod.rs"]
mod library;
mod magic;
mod numbers;
mod restored;
#[path = "../running/mod.rs"]
mod running;
