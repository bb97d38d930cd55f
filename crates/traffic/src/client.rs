//! An HTTP/1.1 client over hyper's connection API: a bounded pool of keep-alive connections to one
//! address, and one time limit for a whole exchange.
//!
//! An exchange ends with a complete answer or with none; there is nothing in between, and nothing is
//! retried here.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, Mono};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// The largest answer that is read, unless a pool is given another limit.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Call {
    /// GET or POST.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Beside `Host` and the length.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Empty for a GET.
    pub body: Bytes,
}

impl Call {
    /// A GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// A POST of JSON.
    pub fn json(path: impl Into<String>, body: &serde_json::Value) -> Self {
        let mut call = Self {
            method: Method::POST,
            ..Self::get(path)
        };
        call.body = Bytes::from(body.to_string());
        call.with(header::CONTENT_TYPE, "application/json")
    }

    /// A POST of text.
    pub fn text(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            body: body.into(),
            ..Self::get(path)
        }
    }

    /// Adds a header; a value that cannot be one is left out.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Adds a key of the service.
    #[must_use]
    pub fn with_key(self, key: &str) -> Self {
        self.with(header::AUTHORIZATION, &format!("Bearer {key}"))
    }
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
    /// From the call (waiting for a connection included) to the last byte.
    pub took: Duration,
}

impl Answered {
    /// A header as text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// There was no complete answer: the request may or may not have been taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unanswered {
    /// Nobody listens, or the address is unusable.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The connection broke before the answer was whole.
    #[error("connection broke: {0}")]
    Broken(String),
    /// The time limit passed.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The request could not be built.
    #[error("bad request: {0}")]
    Bad(String),
}

type Sender = SendRequest<Full<Bytes>>;

/// Connections to one address.
pub struct Pool {
    addr: SocketAddr,
    host: HeaderValue,
    limit: Duration,
    answer_limit: usize,
    slots: Semaphore,
    idle: Mutex<Vec<Sender>>,
    drivers: TaskTracker,
    clock: Arc<dyn Clock>,
}

impl Pool {
    /// At most `connections` connections to `addr`; an exchange may take `limit`.
    pub fn new(
        addr: SocketAddr,
        connections: usize,
        limit: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        // An address is always a valid header value.
        let host = HeaderValue::from_str(&addr.to_string())
            .unwrap_or(HeaderValue::from_static("localhost"));
        Self {
            addr,
            host,
            limit,
            answer_limit: ANSWER_LIMIT,
            slots: Semaphore::new(connections),
            idle: Mutex::new(Vec::new()),
            drivers: TaskTracker::new(),
            clock,
        }
    }

    /// Reads answers up to this size.
    #[must_use]
    pub fn answers_up_to(mut self, bytes: usize) -> Self {
        self.answer_limit = bytes;
        self
    }

    /// Where it connects to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// One exchange.
    pub async fn call(&self, call: Call) -> Result<Answered, Unanswered> {
        let started = self.clock.mono();
        match tokio::time::timeout(self.limit, self.exchange(call, started)).await {
            Ok(done) => done,
            Err(_) => Err(Unanswered::TimedOut(self.limit)),
        }
    }

    async fn exchange(&self, call: Call, started: Mono) -> Result<Answered, Unanswered> {
        let request = self.request(call)?;
        let broken = |error: &dyn std::error::Error| Unanswered::Broken(chain(error));
        let _slot = self.slots.acquire().await.map_err(|error| broken(&error))?;
        let mut sender = match self.take_idle().await {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, self.answer_limit)
            .collect()
            .await
            .map_err(|error| broken(error.as_ref()))?
            .to_bytes();
        let took = self.clock.mono().since(started);
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sender);
        Ok(Answered {
            status: head.status,
            headers: head.headers,
            body,
            took,
        })
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, Unanswered> {
        let bad = |error: &dyn std::error::Error| Unanswered::Bad(error.to_string());
        let uri: Uri = call.path.parse().map_err(|error| bad(&error))?;
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.extend(call.headers);
        Ok(request)
    }

    async fn take_idle(&self) -> Option<Sender> {
        loop {
            let mut sender = self
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()?;
            // Ready at once or closed by the other side; it is never busy while it is in the pool.
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    async fn connect(&self) -> Result<Sender, Unanswered> {
        let refused = |error: &dyn std::error::Error| Unanswered::Connect(chain(error));
        let stream = TcpStream::connect(self.addr)
            .await
            .map_err(|error| refused(&error))?;
        stream.set_nodelay(true).map_err(|error| refused(&error))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| refused(&error))?;
        self.drivers.spawn(async move {
            // How a connection ends is seen by the exchange on it.
            let _ = connection.await;
        });
        Ok(sender)
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
