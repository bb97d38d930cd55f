//! Writing: every byte of a body arrives, in whatever pieces; half a body is not committed.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Method;
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::server::{Body, PATIENCE, Server, encoded, send};

/// A body whose pieces are sent by the test.
fn piped() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, mut pieces) = mpsc::channel::<Bytes>(1);
    let stream = futures_stream(async move || pieces.recv().await);
    (sender, StreamBody::new(stream).boxed())
}

/// A stream of frames from a function that gives the next piece.
fn futures_stream(
    mut next: impl AsyncFnMut() -> Option<Bytes> + Send + Sync + 'static,
) -> impl hyper_util::client::legacy::connect::Connection {
    let _ = &mut next;
    unimplemented!()
}
