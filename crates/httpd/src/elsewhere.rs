//! Connections that are served on another runtime than the one that accepts them, by how their first request
//! begins: what a request starts is then on the thread that reads it, and nobody is woken to pass it on.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::Handle;

/// The longest beginning that is looked at.
const LONGEST: usize = 64;

/// Where some connections are served.
#[derive(Debug, Clone)]
pub(crate) struct Elsewhere {
    /// How their first request begins.
    pub(crate) begin: &'static [u8],
    pub(crate) runtime: Handle,
}

impl Elsewhere {
    /// Whether a connection is to be served there. A first request of which the beginning is not there in one
    /// piece is served anywhere. None if nothing came in time.
    pub(crate) async fn takes(&self, stream: &TcpStream, patience: Duration) -> Option<bool> {
        let mut first = [0; LONGEST];
        let peeked = tokio::time::timeout(patience, stream.peek(&mut first));
        let length = peeked.await.ok()?.ok()?;
        let first = first.get(..length).unwrap_or_default();
        Some(first.starts_with(self.begin))
    }
}
