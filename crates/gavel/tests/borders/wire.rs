//! Requests as bytes, and what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer, read to its end.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: Vec<String>,
    pub(crate) body: String,
}

impl Answer {
    /// A header's value; names are in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .iter()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = self.body.chars().take(300).collect();
        write!(
            f,
            "{} {:?} {body}",
            self.status,
            self.header("content-type")
        )
    }
}

/// How a case ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Answered(Answer),
    /// The connection was closed without an answer.
    Closed,
    Hangs,
}

/// Sends bytes and reads what comes back. A server that has answered may close before it has read
/// all.
pub(crate) async fn send(to: SocketAddr, bytes: Vec<u8>) -> Outcome {
    exchange(to, async move |stream| stream.write_all(&bytes).await).await
}

/// Sends a head and then the same bytes again and again, with pauses, until `most` are sent or an
/// answer comes.
pub(crate) async fn stream(
    to: SocketAddr,
    head: String,
    piece: Vec<u8>,
    pause: Duration,
    most: usize,
) -> Outcome {
    let feed = async move |stream: &mut Half| {
        stream.write_all(head.as_bytes()).await?;
        let mut sent = 0;
        while sent < most {
            stream.write_all(&piece).await?;
            sent += piece.len();
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        Ok(())
    };
    exchange(to, feed).await
}

type Half = tokio::net::tcp::OwnedWriteHalf;

/// Reads while it writes: an early answer is seen at once.
pub(crate) async fn exchange(
    to: SocketAddr,
    feed: impl AsyncFnOnce(&mut Half) -> std::io::Result<()>,
) -> Outcome {
    let (mut read, mut write) = TcpStream::connect(to).await.unwrap().into_split();
    let reading = async {
        let mut answer = Vec::new();
        // A reset after the answer is as good as its end.
        let _ = read.read_to_end(&mut answer).await;
        answer
    };
    let feeding = async {
        let _ = feed(&mut write).await;
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = reading => answer,
        () = feeding => unreachable!("it waits for the answer"),
    };
    let text = String::from_utf8_lossy(&answer).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Outcome::Closed;
    };
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    Outcome::Answered(Answer {
        status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
        head: lines.map(str::to_owned).collect(),
        body: body.to_owned(),
    })
}
