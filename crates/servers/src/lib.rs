//! Real servers as child processes of a test, a demo or a fault run: started on a port of this
//! machine that is kept for them, with a folder of their own, killed, stopped and started again as a fault wants it.
//!
//! A server never outlives who started it, however that one ends ([`Child`]).
#![forbid(unsafe_code)]

mod child;
mod kafka;
mod part;
mod port;
mod redis;
mod server;

pub use child::Child;
pub use kafka::Kafka;
pub use part::{KAFKA, Part, REDIS};
pub use port::Port;
pub use redis::Redis;
pub use server::Server;
