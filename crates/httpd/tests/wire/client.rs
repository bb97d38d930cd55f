//! A client that sends bytes as it is told and reads whole answers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The head of an answer, in lower case.
    pub(crate) async fn head(&mut self) -> String {
        let ends = loop {
            let found = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            match found {
                Some(at) => break at + 4,
                None => assert!(self.more().await, "closed in a head: {:?}", self.text()),
            }
        };
        let rest = self.read.split_off(ends);
        let head = std::mem::replace(&mut self.read, rest);
        String::from_utf8_lossy(&head).to_ascii_lowercase()
    }

    /// One answer with a `content-length`: its head in lower case, and its body.
    pub(crate) async fn answer(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        while self.read.len() < length {
            assert!(self.more().await, "closed in a body: {:?}", self.text());
        }
        let rest = self.read.split_off(length);
        let body = std::mem::replace(&mut self.read, rest);
        (head, String::from_utf8_lossy(&body).into_owned())
    }

    /// Whether the server closed without another byte.
    pub(crate) async fn closed(&mut self) -> bool {
        self.read.is_empty() && !self.more().await
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }

    async fn more(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.read);
        let read = tokio::time::timeout(Duration::from_secs(20), read)
            .await
            .expect("the server neither answers nor closes");
        matches!(read, Ok(1..))
    }
}

/// Sends one request on a connection of its own; the answer's status, head and body.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> (u16, String, String) {
    let mut client = Client::to(address).await;
    client.send(request).await;
    let (head, body) = client.answer().await;
    (status(&head), head, body)
}

/// The status of a head.
pub(crate) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}
