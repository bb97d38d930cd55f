//! The edge over real sockets, on the shipped catalog and a log in memory that can be told to
//! refuse: what is answered, and what is recorded.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod beacon;
mod click;
mod events;
mod following;
mod impression;
mod lab;
mod log;
mod pixel;
mod postback;
mod privacy;
