//! Notices over HTTP: each publisher by connections of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callout::{ExchangeError, Origin, Pool, PoolLimits};
use catalog::{PostbackOut, Snapshot};
use domain::Clock;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use warehouse::PostbackRow;

use crate::carrier::{Answered, Carrier};
use crate::message::{self, Message};

/// The largest answer that is read; what it says is not looked at.
const ANSWER_BYTES: usize = 64 << 10;
/// A connection idle for longer is not used again.
const IDLE: Duration = Duration::from_secs(30);

/// A publisher's endpoint.
struct Endpoint {
    postback: PostbackOut,
    pool: Arc<Pool>,
    host: HeaderValue,
}

/// All publishers' endpoints.
pub struct Http {
    endpoints: BTreeMap<String, Endpoint>,
    clock: Arc<dyn Clock>,
}

/// A publisher's URL cannot be called.
#[derive(Debug, thiserror::Error)]
#[error("the postback of publisher {publisher} cannot be called: its URL names no host")]
pub struct HttpError {
    publisher: String,
}

impl Http {
    /// Of a generation of the catalog.
    pub fn new(snapshot: &Snapshot, clock: Arc<dyn Clock>) -> Result<Self, HttpError> {
        let tls = callout::connector();
        let mut endpoints = BTreeMap::new();
        for (name, publisher) in &snapshot.publishers {
            let Some(postback) = &publisher.postback else {
                continue;
            };
            let url = &postback.url.origin;
            let named = Origin::of(url).zip(callout::host(url));
            let (origin, host) = named.ok_or_else(|| HttpError {
                publisher: name.to_string(),
            })?;
            let limits = PoolLimits {
                connections: postback.connections,
                wait: postback.timeout,
                connect: postback.timeout,
                idle: IDLE,
            };
            let endpoint = Endpoint {
                postback: postback.clone(),
                pool: Pool::new(origin, limits, tls.clone(), Arc::clone(&clock)),
                host,
            };
            endpoints.insert(name.to_string(), endpoint);
        }
        Ok(Self { endpoints, clock })
    }
}

impl Carrier for Http {
    fn publishers(&self) -> Vec<(String, usize)> {
        let all = self.endpoints.iter();
        all.map(|(name, endpoint)| (name.clone(), endpoint.postback.connections))
            .collect()
    }

    async fn send(&self, notice: &PostbackRow) -> Answered {
        let Some(endpoint) = self.endpoints.get(&notice.publisher) else {
            return failed(None, "the publisher has no postback");
        };
        let message = message::build(&endpoint.postback, notice, self.clock.wall());
        let Some(request) = request(message, &endpoint.host, notice) else {
            return failed(None, "not a URL");
        };
        let call = callout::call(&endpoint.pool, ANSWER_BYTES, request);
        match tokio::time::timeout(endpoint.postback.timeout, call).await {
            Ok(Ok(answer)) => answered(answer.status),
            Ok(Err(ExchangeError::TooLong)) => failed(None, "the answer is too long"),
            Ok(Err(error)) => failed(None, &error.to_string()),
            Err(_) => failed(None, "no answer in time"),
        }
    }
}

fn request(
    message: Message,
    host: &HeaderValue,
    notice: &PostbackRow,
) -> Option<Request<Full<Bytes>>> {
    let Message { target, form } = message;
    let mut request = Request::builder()
        .uri(target)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "gavel")
        .header("idempotency-key", &notice.notice_id);
    if form.is_some() {
        request = request
            .method(Method::POST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    request
        .body(Full::new(form.unwrap_or_default().into()))
        .ok()
}

fn answered(status: StatusCode) -> Answered {
    if status.is_success() {
        return Answered {
            status: Some(status.as_u16()),
            error: None,
        };
    }
    let why = if status.is_redirection() {
        "redirects are not followed"
    } else {
        "not a success"
    };
    failed(Some(status.as_u16()), why)
}

fn failed(status: Option<u16>, why: &str) -> Answered {
    Answered {
        status,
        error: Some(why.to_owned()),
    }
}
