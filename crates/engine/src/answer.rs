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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::io::AsyncWriteExt as _;
    use tokio::sync::mpsc;

    use super::*;
    use crate::early::Early;

    /// An answer that ends with an error, and what it goes out by.
    fn failed(patience: Duration) -> (Answer, Early<tokio::io::Sink>) {
        let (say, replies) = mpsc::channel(2);
        for reply in [Reply::Chunk("an error".into()), Reply::Cut] {
            assert!(say.try_send(reply).is_ok());
        }
        let way_out = Ahead::default();
        let early = Early::new(tokio::io::sink(), way_out.clone());
        let stream = Stream {
            replies,
            state: State::Running,
            way_out,
            patience,
            _interest: Interest::over(),
        };
        (Answer::Stream(stream), early)
    }

    async fn next(answer: &mut Answer) -> Option<Option<Bytes>> {
        let frame = answer.frame().await?;
        Some(frame.ok().and_then(|frame| frame.into_data().ok()))
    }

    fn waits(answer: &mut Answer) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        Pin::new(answer).poll_frame(&mut context).is_pending()
    }

    #[tokio::test]
    async fn an_error_is_out_before_its_connection_is_cut() {
        let (mut answer, mut way_out) = failed(Duration::from_secs(3600));
        way_out.flush().await.unwrap();
        let error = next(&mut answer).await.flatten().unwrap();
        assert!(waits(&mut answer), "it is written by nobody");
        way_out.write_all(&error).await.unwrap();
        assert!(waits(&mut answer), "it is not out");
        way_out.flush().await.unwrap();
        assert_eq!(next(&mut answer).await, Some(None), "cut");
        assert_eq!(next(&mut answer).await, None);
    }

    #[tokio::test]
    async fn who_does_not_read_an_error_is_not_waited_for_for_ever() {
        let (mut answer, _) = failed(Duration::ZERO);
        assert!(next(&mut answer).await.flatten().is_some());
        assert_eq!(next(&mut answer).await, Some(None), "cut");
    }
}
