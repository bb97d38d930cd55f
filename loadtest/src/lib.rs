//! What the drivers of this crate share: the chaos run, the load tests and the bare programs that
//! these are compared with.
#![forbid(unsafe_code)]

pub mod alarm;
pub mod announce;
pub mod clock;
pub mod closed;
pub mod core;
pub mod engine;
pub mod feed;
pub mod floor;
pub mod gigabyte;
pub mod metrics;
pub mod open;
pub mod process;
pub mod ratio;
pub mod stub;
pub mod warm;
pub mod window;
pub mod wire;
