//! A service that this process has a little later: before the log was read, and what nodes share was made again from
//! it if it was lost, nobody knows which leads there are, nor which catalog is in force.

use std::sync::{Arc, OnceLock};

use httpd::{Audience, Problem, Reply, Request, Service};

/// Answers 503 until there is one.
pub(super) struct Later<S>(Arc<OnceLock<S>>);

impl<S> Later<S> {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Here it is. A second one changes nothing.
    pub(super) fn is(&self, service: S) {
        let _ = self.0.set(service);
    }
}

impl<S> Clone for Later<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Service> Service for Later<S> {
    async fn call(&self, request: Request) -> Reply {
        match self.0.get() {
            Some(service) => service.call(request).await,
            None => Problem::unavailable(
                "this node has started and does not know yet which leads there are",
            )
            .into(),
        }
    }

    fn audience(&self, path: &str) -> Audience {
        let audience = self.0.get().map(|service| service.audience(path));
        audience.unwrap_or(Audience::Program)
    }
}
