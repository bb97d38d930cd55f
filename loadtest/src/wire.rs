//! HTTP/1.1 by hand, for load and stub buyers: they have one core and must not be what is measured.
//!
//! It reads what hyper and Gavel write: a head, and a body whose length the head names.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A longer message is nobody's here.
const LONGEST: usize = 1 << 20;

/// A kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// Length of the message before, to be dropped.
    read: usize,
}

/// A whole message: a request or an answer.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// First line and headers.
    pub head: &'a str,
    /// What follows.
    pub body: &'a [u8],
}

impl Message<'_> {
    /// The status of an answer.
    pub fn status(&self) -> Option<u16> {
        self.head.get(9..12)?.parse().ok()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl Connection {
    /// Over a stream that somebody opened.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            bytes: Vec::with_capacity(4096),
            read: 0,
        })
    }

    /// Opens one.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        Self::new(TcpStream::connect(address).await?)
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads the next message; none if the other side has closed in between.
    pub async fn receive(&mut self) -> io::Result<Option<Message<'_>>> {
        self.bytes.drain(..self.read);
        self.read = 0;
        let (head, whole) = loop {
            if let Some((head, whole)) = extent(&self.bytes)?
                && self.bytes.len() >= whole
            {
                break (head, whole);
            }
            if self.bytes.len() > LONGEST {
                return Err(bad("a message is too long"));
            }
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                if self.bytes.is_empty() {
                    return Ok(None);
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        self.read = whole;
        let head_bytes = self.bytes.get(..head).unwrap_or_default();
        Ok(Some(Message {
            head: std::str::from_utf8(head_bytes).map_err(|_| bad("a head is no text"))?,
            body: self.bytes.get(head + 4..whole).unwrap_or_default(),
        }))
    }

    /// One exchange.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Message<'_>> {
        self.send(request).await?;
        let answer = self.receive().await?;
        answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Where the head ends, and the message, as soon as the head is there.
fn extent(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = bytes
        .get(..head)
        .and_then(|head| std::str::from_utf8(head).ok());
    let text = text.ok_or_else(|| bad("a head is no text"))?;
    let length = match header(text, "content-length") {
        Some(length) => length.parse().map_err(|_| bad("a length is no number"))?,
        None if text.starts_with("GET ") => 0,
        None => return Err(bad("a message without a length")),
    };
    Ok(Some((head, head + 4 + length)))
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A GET.
pub fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: load\r\n{headers}\r\n").into_bytes()
}

/// A POST of JSON.
pub fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: load\r\n{headers}content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_where_its_head_says() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP";
        let (head, whole) = extent(answer).unwrap().unwrap();
        assert_eq!((head, whole), (34, 40));
        assert!(extent(b"HTTP/1.1 200 OK\r\nConte").unwrap().is_none());
        assert!(extent(b"HTTP/1.1 200 OK\r\nx: y\r\n\r\n").is_err());
        assert!(extent(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n").is_err());
        let request = get("/c/a", "cookie: a=b\r\n");
        assert_eq!(extent(&request).unwrap().unwrap().1, request.len());
        let request = post("/p", "", b"{}");
        assert_eq!(extent(&request).unwrap().unwrap().1, request.len());
    }
}
