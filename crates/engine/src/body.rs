//! A request's body as it comes from the wire, in pieces for its query's thread.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::mpsc::Sender;

use crate::exception::{Code, Exception};
use crate::input::Piece;

pub(crate) struct Body {
    incoming: Incoming,
    /// How long the client may send nothing.
    patience: Duration,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, patience: Duration) -> Self {
        Self { incoming, patience }
    }

    /// Passes the pieces on. The job says itself why it stopped taking them; then at most so much is read on
    /// that the client gets to read it.
    pub(crate) async fn feed(&mut self, pieces: Sender<Piece>, drain: u64) {
        loop {
            let (piece, last) = match self.next().await {
                Ok(Some(data)) => (Piece::Data(data), false),
                Ok(None) => (Piece::End, true),
                Err(exception) => (Piece::Failed(exception), true),
            };
            let taken = pieces.send(piece).await.is_ok();
            if last {
                return;
            }
            if !taken {
                return self.drain(drain).await;
            }
        }
    }

    /// Reads on, so that the client gets to read an answer instead of a reset; not without end.
    pub(crate) async fn drain(&mut self, most: u64) {
        let mut left = most;
        while let Ok(Some(data)) = self.next().await {
            match left.checked_sub(data.len() as u64) {
                Some(less) => left = less,
                None => return,
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Exception> {
        loop {
            let frame = tokio::time::timeout(self.patience, self.incoming.frame()).await;
            let frame = frame.map_err(|_| {
                Exception::new(
                    Code::SocketTimeout,
                    "Timeout exceeded while reading the request body",
                )
            })?;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    _ => {}
                },
                Some(Err(error)) => {
                    let text = format!("Cannot read the request body: {error}");
                    return Err(Exception::new(Code::NetworkError, text));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::sync::mpsc::channel;

    use super::*;

    /// Says how the body came.
    async fn told(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
        let (pieces, mut came) = channel(4);
        let patience = Duration::from_millis(20);
        Body::new(request.into_body(), patience)
            .feed(pieces, 0)
            .await;
        let mut told = String::new();
        while let Some(piece) = came.recv().await {
            told += &match piece {
                Piece::Data(data) => format!("{} bytes, ", data.len()),
                Piece::End => "all".to_owned(),
                Piece::Failed(exception) => format!("error {}", exception.code()),
            };
        }
        Ok(Response::new(told))
    }

    #[tokio::test]
    async fn who_sends_nothing_more_is_not_waited_for() {
        for (sent, expected) in [("whole", "5 bytes, all"), ("half", "4 bytes, error 209")] {
            let (near, mut far) = duplex(1 << 10);
            let request =
                format!("POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: 5\r\n\r\n{sent}");
            far.write_all(request.as_bytes()).await.unwrap();
            let serving =
                http1::Builder::new().serve_connection(TokioIo::new(near), service_fn(told));
            let mut answer = String::new();
            let (_, read) = tokio::join!(serving, far.read_to_string(&mut answer));
            read.unwrap();
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            assert_eq!(body, expected);
        }
    }
}
