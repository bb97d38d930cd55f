//! The body of an answer: bytes at hand, or a result that is still being made.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::sync::mpsc::Receiver;
use tokio::time::Sleep;

use crate::early::Ahead;
use crate::host::Interest;
use crate::output::Reply;

pub(crate) enum Answer {
    Full(Option<Bytes>),
    Stream(Stream),
}

/// A result that goes out while it is made.
pub(crate) struct Stream {
    pub(crate) replies: Receiver<Reply>,
    pub(crate) state: State,
    /// The connection's way out, and how long a client may take to read an error.
    pub(crate) way_out: Ahead,
    pub(crate) patience: Duration,
    /// Dropped with a client that leaves, and then the query is stopped.
    pub(crate) _interest: Interest,
}

pub(crate) enum State {
    Running,
    /// The error is written; before the connection is cut it has to be out: that often all that was written had gone
    /// out before. Not waited for any longer than this.
    Flush(u64, Pin<Box<Sleep>>),
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

impl Stream {
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, CutOff>>> {
        loop {
            match &mut self.state {
                State::Ended => return Poll::Ready(None),
                State::Flush(before, patience) => {
                    let out = self.way_out.poll_flushed(*before, context).is_ready();
                    if !out && patience.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    self.state = State::Cut;
                    continue;
                }
                State::Cut => {
                    self.state = State::Ended;
                    return Poll::Ready(Some(Err(CutOff)));
                }
                State::Running => {}
            }
            match std::task::ready!(self.replies.poll_recv(context)) {
                Some(Reply::Chunk(chunk)) => return Poll::Ready(Some(Ok(chunk))),
                Some(Reply::End) => self.state = State::Ended,
                Some(Reply::Cut) => {
                    let patience = Box::pin(tokio::time::sleep(self.patience));
                    self.state = State::Flush(self.way_out.flushes(), patience);
                }
                // Not said in the middle of a body.
                Some(Reply::Whole(..) | Reply::Begun(_) | Reply::Failed(..)) | None => {
                    self.state = State::Cut;
                }
            }
        }
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
