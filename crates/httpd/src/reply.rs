//! An answer.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::{Audience, Problem, RequestId};

/// An answer: bytes with a head, or a problem. The server adds `x-request-id` to either.
#[derive(Debug)]
pub struct Reply(Kind);

#[derive(Debug)]
enum Kind {
    Answer(Response<Full<Bytes>>),
    Problem(Problem),
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self(Kind::Problem(problem))
    }
}

impl Reply {
    /// A status without a body.
    pub fn empty(status: StatusCode) -> Self {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        Self(Kind::Answer(response))
    }

    /// Bytes of a content type.
    pub fn bytes(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut response = Response::new(Full::new(body.into()));
        *response.status_mut() = status;
        let content_type = HeaderValue::from_static(content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        Self(Kind::Answer(response))
    }

    /// A value as JSON.
    pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::bytes(status, "application/json", body),
            Err(error) => {
                tracing::error!(%error, "an answer could not be written as json");
                Problem::internal().into()
            }
        }
    }

    /// A page.
    pub fn html(status: StatusCode, page: impl Into<Cow<'static, str>>) -> Self {
        let page = match page.into() {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        Self::bytes(status, "text/html; charset=utf-8", page)
    }

    /// 302 to `location`.
    pub fn redirect(location: HeaderValue) -> Self {
        Self::empty(StatusCode::FOUND).header(LOCATION, location)
    }

    /// Sets a header.
    #[must_use]
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        match self.0 {
            Kind::Answer(mut response) => {
                response.headers_mut().insert(name, value);
                Self(Kind::Answer(response))
            }
            Kind::Problem(problem) => problem.header(name, value).into(),
        }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        match &self.0 {
            Kind::Answer(response) => response.status(),
            Kind::Problem(problem) => problem.status(),
        }
    }

    /// What goes over the wire.
    pub(crate) fn finish(self, id: &RequestId, audience: Audience) -> Response<Full<Bytes>> {
        let mut response = match self.0 {
            Kind::Answer(response) => response,
            Kind::Problem(problem) => {
                let (status, headers, body) = problem.finish(id, audience);
                let mut response = Response::new(Full::new(Bytes::from(body)));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                response
            }
        };
        let name = HeaderName::from_static("x-request-id");
        response.headers_mut().insert(name, id.header());
        response
    }
}
