//! What answers requests, and how two of them share a listener.

use std::future::Future;
use std::sync::Arc;

use crate::{Problem, Reply, Request};

/// Who reads the answers under a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A program: problems are `application/problem+json`.
    Program,
    /// A person who followed a link: problems are pages.
    Person,
}

/// Answers requests: each shell is one.
pub trait Service: Send + Sync + 'static {
    /// Answers a request. Dropped if the client goes away: what must not stop then belongs into a
    /// task of its own.
    fn call(&self, request: Request) -> impl Future<Output = Reply> + Send;

    /// Who reads the answers under this path.
    fn audience(&self, path: &str) -> Audience {
        let _ = path;
        Audience::Program
    }
}

impl<S: Service> Service for Arc<S> {
    fn call(&self, request: Request) -> impl Future<Output = Reply> + Send {
        (**self).call(request)
    }

    fn audience(&self, path: &str) -> Audience {
        (**self).audience(path)
    }
}

/// A service that this process may not have: then nothing is found there.
impl<S: Service> Service for Option<S> {
    async fn call(&self, request: Request) -> Reply {
        match self {
            Some(service) => service.call(request).await,
            None => Problem::not_found().into(),
        }
    }

    fn audience(&self, path: &str) -> Audience {
        let audience = self.as_ref().map(|service| service.audience(path));
        audience.unwrap_or(Audience::Program)
    }
}

/// Two services on one listener: the first has the paths it claims, the other has the rest.
#[derive(Debug, Clone)]
pub struct Fork<A, B> {
    claims: fn(&str) -> bool,
    first: A,
    rest: B,
}

impl<A: Service, B: Service> Fork<A, B> {
    /// `first` for the paths `claims` says yes to, `rest` for the others.
    pub fn new(claims: fn(&str) -> bool, first: A, rest: B) -> Self {
        Self {
            claims,
            first,
            rest,
        }
    }
}

impl<A: Service, B: Service> Service for Fork<A, B> {
    async fn call(&self, request: Request) -> Reply {
        if (self.claims)(request.path()) {
            self.first.call(request).await
        } else {
            // A future is as large as the largest call in it, and is moved as a whole: the short and
            // frequent calls of the first must not carry the long ones of the rest.
            Box::pin(self.rest.call(request)).await
        }
    }

    fn audience(&self, path: &str) -> Audience {
        if (self.claims)(path) {
            self.first.audience(path)
        } else {
            self.rest.audience(path)
        }
    }
}
