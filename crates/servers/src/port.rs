//! A port that nobody uses.

use std::io;
use std::net::TcpListener;

/// A port of 127.0.0.1 that was free a moment ago.
///
/// # Errors
/// None is free.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
