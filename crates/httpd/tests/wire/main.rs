//! The server over real sockets: what it allows, what it refuses, how it stops.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod client;
mod drain;
mod elsewhere;
mod lab;
mod limits;
mod operator;
mod protocol;
