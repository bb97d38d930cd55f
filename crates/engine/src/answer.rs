//! The body of an answer: bytes at hand, or a result that is still being made.

use std::collections::VecDeque;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::sync::mpsc::Receiver;

use crate::exception::Exception;
use crate::host::Interest;
use crate::job::Reply;

/// The level ClickHouse uses.
const LEVEL: u32 = 3;

pub(crate) enum Answer {
    Full(Option<Bytes>),
    Stream(Box<Stream>),
}

/// A result that goes out while it is made.
pub(crate) struct Stream {
    pub(crate) first: VecDeque<Bytes>,
    pub(crate) replies: Receiver<Reply>,
    pub(crate) encoder: Option<GzEncoder<Vec<u8>>>,
    pub(crate) frame: ExceptionFrame,
    pub(crate) state: State,
    /// Dropped with a client that leaves, and then the query is stopped.
    pub(crate) _interest: Interest,
}

/// How an error is shown after the first byte is out: the status has already said 200.
pub(crate) struct ExceptionFrame {
    pub(crate) tag: String,
    pub(crate) version: String,
}

#[derive(Clone, Copy)]
pub(crate) enum State {
    Running,
    /// The error is written; give the connection a chance to send it before it is cut.
    Flush,
    Cut,
    Ended,
}

/// The connection is closed in the middle of a chunk, so that no client takes the result as whole.
#[derive(Debug, Error)]
#[error("the query failed after its answer had begun")]
pub(crate) struct CutOff;

impl Answer {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()))
    }
}

pub(crate) fn encoder() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::new(), Compression::new(LEVEL))
}

/// The whole of `parts`, compressed or not.
pub(crate) fn joined(parts: VecDeque<Bytes>, gzip: bool) -> Vec<u8> {
    let bytes = Vec::from(parts).concat();
    if !gzip {
        return bytes;
    }
    let mut encoder = encoder();
    // Writing to memory does not fail.
    match encoder.write_all(&bytes).and_then(|()| encoder.finish()) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("compressing in memory: {error}"),
    }
}

impl Stream {
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, CutOff>>> {
        loop {
            match self.state {
                State::Ended => return Poll::Ready(None),
                State::Flush => {
                    self.state = State::Cut;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Cut => {
                    self.state = State::Ended;
                    return Poll::Ready(Some(Err(CutOff)));
                }
                State::Running => {}
            }
            let reply = match self.first.pop_front() {
                Some(chunk) => Some(Reply::Chunk(chunk)),
                None => match self.replies.poll_recv(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(reply) => reply,
                },
            };
            let bytes = match reply {
                Some(Reply::Chunk(chunk)) => self.encode(chunk),
                Some(Reply::End(_)) => {
                    self.state = State::Ended;
                    self.finish(Bytes::new())
                }
                Some(Reply::Failed(exception)) => {
                    self.state = State::Flush;
                    self.finish(self.frame.around(&exception))
                }
                None => {
                    self.state = State::Cut;
                    Bytes::new()
                }
            };
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(bytes)));
            }
        }
    }

    fn encode(&mut self, chunk: Bytes) -> Bytes {
        match &mut self.encoder {
            None => chunk,
            Some(encoder) => match encoder.write_all(&chunk) {
                Ok(()) => std::mem::take(encoder.get_mut()).into(),
                Err(error) => unreachable!("compressing in memory: {error}"),
            },
        }
    }

    fn finish(&mut self, last: Bytes) -> Bytes {
        let Some(mut encoder) = self.encoder.take() else {
            return last;
        };
        match encoder.write_all(&last).and_then(|()| encoder.finish()) {
            Ok(bytes) => bytes.into(),
            Err(error) => unreachable!("compressing in memory: {error}"),
        }
    }
}

impl ExceptionFrame {
    /// The server's form since 25.11: the tag comes with the headers, so no row can fake it.
    fn around(&self, exception: &Exception) -> Bytes {
        let (tag, text) = (&self.tag, exception.text(&self.version));
        let length = text.len();
        format!("\r\n__exception__\r\n{tag}\r\n{text}{length} {tag}\r\n__exception__\r\n").into()
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(stream) => stream
                .poll_bytes(context)
                .map(|bytes| bytes.map(|bytes| bytes.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Stream(stream) => matches!(stream.state, State::Ended),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
