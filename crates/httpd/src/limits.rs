//! What one listener allows its clients.

use std::time::Duration;

/// Limits of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open connections at most; more are answered 503 and closed.
    pub connections: usize,
    /// Largest request body; larger ones are 413.
    pub body_bytes: usize,
    /// A head has to arrive within this (an idle connection is closed after it), and a body within
    /// this again, else it is 408.
    pub read_timeout: Duration,
    /// A client that takes none of its answer for this long is cut off.
    pub write_timeout: Duration,
    /// After shutdown began, requests in progress get this long.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            body_bytes: 256 * 1024,
            read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// Whether `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forwarded {
    /// No: clients connect directly, and anybody can send a header.
    #[default]
    Ignore,
    /// Yes: only an own proxy can connect. The last address of the list, which that proxy wrote,
    /// is the client's.
    Trust,
}
