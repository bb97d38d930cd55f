//! One HTTP request of a client, on a connection of its own.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) key: Option<String>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

/// The request as it is sent.
pub(crate) fn bytes(ask: &Ask) -> Vec<u8> {
    let mut text = format!(
        "{} {} HTTP/1.1\r\nhost: gavel\r\nconnection: close\r\n",
        ask.method, ask.path
    );
    if let Some(key) = &ask.key {
        text.push_str(&format!("authorization: Bearer {key}\r\n"));
    }
    if let Some(body) = &ask.body {
        let body = body.to_string();
        let length = body.len();
        text.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
    } else {
        text.push_str("\r\n");
    }
    text.into_bytes()
}

/// Sends the request; the connection is the caller's to read or to close.
pub(crate) async fn send(to: SocketAddr, ask: &Ask) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(&bytes(ask)).await.unwrap();
    stream
}

/// Reads the answer to its end.
pub(crate) async fn read(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole answer");
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        retry_after: header("retry-after: ").map(str::to_owned),
        body: serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())),
    }
}
