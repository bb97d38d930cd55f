//! Answers that are no answers: how each fault looks on the wire.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use hyper::body::{Body, Frame};

/// The connection has to break: hyper closes it when a service or a body fails.
#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sandbox buyer breaks its connection on purpose")
    }
}

impl std::error::Error for Broken {}

impl From<Infallible> for Broken {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A body that is sent whole, or fails after its bytes.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    bytes: Option<Bytes>,
    then_fails: bool,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match (self.bytes.take(), self.then_fails) {
            (Some(bytes), _) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            (None, true) => Poll::Ready(Some(Err(Broken))),
            (None, false) => Poll::Ready(None),
        }
    }
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Response<AnswerBody> {
    respond(status, Bytes::from(body), None)
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody {
        bytes: None,
        then_fails: false,
    });
    *response.status_mut() = status;
    response
}

/// A 200 whose body is no JSON.
pub(crate) fn garbage() -> Response<AnswerBody> {
    respond(
        StatusCode::OK,
        Bytes::from_static(b"<html>It works!</html>"),
        None,
    )
}

/// A 200 that promises more bytes than it sends.
pub(crate) fn truncated(mut body: Vec<u8>) -> Response<AnswerBody> {
    let whole = body.len().max(2);
    body.truncate(whole / 2);
    respond(StatusCode::OK, Bytes::from(body), Some(whole))
}

fn respond(status: StatusCode, bytes: Bytes, promised: Option<usize>) -> Response<AnswerBody> {
    let length = promised.unwrap_or(bytes.len());
    let then_fails = promised.is_some();
    let mut response = Response::new(AnswerBody {
        bytes: Some(bytes),
        then_fails,
    });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CONTENT_LENGTH, header::HeaderValue::from(length));
    response
}
