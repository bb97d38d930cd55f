//! A request as a route sees it.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use domain::Mono;
use http::header::{AsHeaderName, CONTENT_TYPE, COOKIE};
use http::request::Parts;
use http::{HeaderMap, Method};
use hyper::body::Incoming;

use crate::connection::Wire;
use crate::{BodyError, Credential, Forwarded, Limits, RequestId, body, form};

/// How the client reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In clear, as far as we know.
    Http,
    /// Over TLS.
    Https,
}

/// A request: its head, and a body that has not been read yet.
#[derive(Debug)]
pub struct Request {
    pub(crate) head: Parts,
    pub(crate) body: Incoming,
    pub(crate) id: RequestId,
    pub(crate) received: Mono,
    pub(crate) peer: SocketAddr,
    pub(crate) limits: Limits,
    pub(crate) forwarded: Forwarded,
    pub(crate) wire: Arc<Wire>,
}

impl Request {
    /// Its id, also in the answer's `x-request-id`.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// When its head had been read.
    pub fn received(&self) -> Mono {
        self.received
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The path, as sent.
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The query, as sent; empty if there is none.
    pub fn query_string(&self) -> &str {
        self.head.uri.query().unwrap_or_default()
    }

    /// The pairs of the query, decoded, in order.
    pub fn query(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form::pairs(self.query_string().as_bytes())
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// A header's first value, if it is plain text.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The media type of the body, without parameters; compare it ignoring case.
    pub fn media_type(&self) -> Option<&str> {
        let value = self.header(CONTENT_TYPE)?;
        Some(value.split(';').next().unwrap_or(value).trim())
    }

    /// The values of a cookie: a browser sends the most specific first, and an attacker on a
    /// sibling host can add more.
    pub fn cookies<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.head.headers.get_all(COOKIE).into_iter();
        lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(move |pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
    }

    /// The key it came with, if any.
    pub fn credential(&self) -> Option<Credential<'_>> {
        Credential::of(&self.head.headers, self.query_string())
    }

    /// The client's address.
    pub fn client_ip(&self) -> IpAddr {
        let told = match self.forwarded {
            Forwarded::Ignore => None,
            Forwarded::Trust => self
                .last_of("x-forwarded-for")
                .and_then(|ip| ip.parse().ok()),
        };
        told.unwrap_or(self.peer.ip()).to_canonical()
    }

    /// How the client reached us.
    pub fn scheme(&self) -> Scheme {
        let https = self.forwarded == Forwarded::Trust
            && self
                .last_of("x-forwarded-proto")
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        if https { Scheme::Https } else { Scheme::Http }
    }

    fn last_of(&self, name: &str) -> Option<&str> {
        let last = self.head.headers.get_all(name).into_iter().next_back()?;
        last.to_str().ok()?.rsplit(',').next().map(str::trim)
    }

    /// Reads the body within the listener's limits of size and time. The second call finds nothing.
    ///
    /// # Errors
    /// It is too large, too slow, or broke off: each converts into its problem.
    pub async fn body(&mut self) -> Result<Bytes, BodyError> {
        body::read(&mut self.body, &self.limits, &self.wire).await
    }

    /// As [`Self::body`], of a route whose bodies may be as large as `bytes`.
    ///
    /// # Errors
    /// As those of [`Self::body`].
    pub async fn body_within(&mut self, bytes: usize) -> Result<Bytes, BodyError> {
        let limits = Limits {
            body_bytes: bytes,
            ..self.limits
        };
        body::read(&mut self.body, &limits, &self.wire).await
    }
}
