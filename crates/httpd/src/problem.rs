//! What went wrong, as RFC 9457 `application/problem+json`, or as a page for a person.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::{Audience, Code, RequestId, page};

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// JSON pointer to the member, or `/` and the parameter's name.
    pub pointer: Cow<'static, str>,
    /// Stable, for a program.
    pub code: Cow<'static, str>,
    /// For a person.
    pub message: Cow<'static, str>,
}

/// An answer that is an error. Its `code` is stable; texts are not.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<Issue>,
    members: Vec<(&'static str, String)>,
    headers: HeaderMap,
}

impl Problem {
    /// A problem with a stable code and a sentence for a person.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            members: Vec::new(),
            headers: HeaderMap::new(),
        }))
    }

    /// 404: no such path.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "there is nothing here")
    }

    /// 405; `allow` as the header has it: `GET, HEAD`.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(Code::MethodNotAllowed, format!("use {allow}"))
            .header(ALLOW, HeaderValue::from_static(allow))
    }

    /// 401: no valid key.
    pub fn unauthorized(detail: &'static str) -> Self {
        Self::new(Code::Unauthorized, detail)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 503: try again in a second.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable, detail).retry_after(1)
    }

    /// 500: a mistake of ours.
    pub(crate) fn internal() -> Self {
        Self::new(
            Code::Internal,
            "the service made a mistake; it was logged under the request id",
        )
    }

    /// All that is wrong with the request.
    #[must_use]
    pub fn issues(mut self, issues: impl IntoIterator<Item = Issue>) -> Self {
        self.0.errors.extend(issues);
        self
    }

    /// More requests than agreed: there is room after this time.
    pub fn rate_limited(wait: Duration) -> Self {
        let seconds = wait.as_micros().div_ceil(1_000_000).max(1);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        let detail = format!("more requests a second than agreed: try again in {seconds} s");
        Self::new(Code::RateLimited, detail).retry_after(seconds)
    }

    /// A member of its own: `lead_id`, `auction_id`.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.members.push((name, value.into()));
        self
    }

    /// When to try again.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// A header of its own.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// Its stable code.
    pub fn code(&self) -> &'static str {
        self.0.code.as_str()
    }

    /// The answer's head and body, once it is known for which request and for whom.
    pub(crate) fn finish(
        self,
        id: &RequestId,
        audience: Audience,
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        let problem = *self.0;
        let status = problem.code.status();
        let title = status.canonical_reason().unwrap_or("Error");
        let (content_type, body) = match audience {
            Audience::Person => (
                "text/html; charset=utf-8",
                page(title, &format!("{}. Request {id}.", problem.detail)).into_bytes(),
            ),
            Audience::Program => (
                "application/problem+json",
                serde_json::to_vec(&Body {
                    problem: &problem,
                    title,
                    id,
                })
                .unwrap_or_default(),
            ),
        };
        let mut headers = problem.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        (status, headers, body)
    }
}

struct Body<'a> {
    problem: &'a Inner,
    title: &'a str,
    id: &'a RequestId,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("title", self.title)?;
        map.serialize_entry("status", &self.problem.code.status().as_u16())?;
        map.serialize_entry("code", self.problem.code.as_str())?;
        map.serialize_entry("detail", &self.problem.detail)?;
        if !self.problem.errors.is_empty() {
            map.serialize_entry("errors", &self.problem.errors)?;
        }
        for (name, value) in &self.problem.members {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("request_id", self.id.as_str())?;
        map.end()
    }
}
