//! One HTTP exchange with a partner, with every limit, and the one thing that a caller needs to know when
//! it fails: whether anything was sent. A redirect is an answer like any other; nobody follows it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};

use crate::pool::{ConnectError, Lease, Place, Pool};

/// A partner's answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No byte of the request was handed to the kernel: it may be sent again.
    #[error("not sent: {0}")]
    NotSent(#[from] ConnectError),
    /// Something was sent, and then the connection broke or lied.
    #[error("broken after sending: {0}")]
    Broken(hyper::Error),
    /// The answer is longer than we read.
    #[error("the answer is too long")]
    TooLong,
}

/// Where and how to call.
pub struct Target<'a> {
    /// The connections to use.
    pub pool: &'a Arc<Pool>,
    /// Path and query.
    pub uri: &'a Uri,
    /// Header `Host`.
    pub host: &'a HeaderValue,
    /// Further headers.
    pub headers: &'a HeaderMap,
    /// The longest answer that is read, in bytes.
    pub longest: usize,
}

/// POSTs a JSON body from a place among the connections and reads the answer, as [`call`] does.
pub async fn post(place: Place, target: &Target<'_>, body: Bytes) -> Result<Answer, ExchangeError> {
    let request = request(target, body);
    call_from(place, target.pool, target.longest, request).await
}

/// Waits for a place, sends a request and reads the answer, up to `longest` bytes of it. One that found its kept-alive
/// connection closed before a byte of it was written is sent once more, on a fresh one.
pub async fn call(
    pool: &Arc<Pool>,
    longest: usize,
    request: Request<Full<Bytes>>,
) -> Result<Answer, ExchangeError> {
    let place = pool.place().await?;
    call_from(place, pool, longest, request).await
}

async fn call_from(
    place: Place,
    pool: &Arc<Pool>,
    longest: usize,
    request: Request<Full<Bytes>>,
) -> Result<Answer, ExchangeError> {
    let lease = pool.lease(place).await?;
    match send(longest, lease, request).await {
        Ok(answer) => answer,
        Err(unsent) => {
            let lease = pool.fresh().await?;
            match send(longest, lease, unsent).await {
                Ok(answer) => answer,
                Err(_) => Err(ExchangeError::NotSent(ConnectError::Closed)),
            }
        }
    }
}

fn request(target: &Target<'_>, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.uri.clone();
    request.headers_mut().clone_from(target.headers);
    request
        .headers_mut()
        .insert(header::HOST, target.host.clone());
    request.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    request
}

/// `Err` gives the request back if nothing of it was sent.
async fn send(
    longest: usize,
    mut lease: Lease,
    request: Request<Full<Bytes>>,
) -> Result<Result<Answer, ExchangeError>, Request<Full<Bytes>>> {
    let response = match lease.sender.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => match error.take_message() {
            Some(request) => return Err(request),
            None => return Ok(Err(ExchangeError::Broken(error.into_error()))),
        },
    };
    let (head, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Ok(Err(ExchangeError::Broken(error))),
        };
        if let Some(data) = frame.data_ref() {
            if body.len() + data.len() > longest {
                return Ok(Err(ExchangeError::TooLong));
            }
            body.extend_from_slice(data);
        }
    }
    lease.reuse();
    Ok(Ok(Answer {
        status: head.status,
        body: body.freeze(),
    }))
}
