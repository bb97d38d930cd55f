//! What operators and their machines ask: is it alive, is it ready, what are its numbers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use parking_lot::RwLock;
use serde::Serialize;
use telemetry::Metrics;

use crate::{Endpoint, Problem, Reply, Request, Service};

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What has to hold before traffic should come. Cloning shares it.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Inner>);

#[derive(Default)]
struct Inner {
    checks: RwLock<BTreeMap<&'static str, Check>>,
    draining: AtomicBool,
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    /// `ok`, or why not.
    checks: BTreeMap<&'static str, String>,
}

impl Readiness {
    /// Adds a check, or replaces the one of this name. It is asked at each `/readyz` and must not
    /// wait for anything; its error is shown.
    pub fn register(
        &self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.0.checks.write().insert(name, Box::new(check));
    }

    /// From now on it is not ready, whatever the checks say: the process is about to stop.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Whether every check holds.
    pub fn ready(&self) -> bool {
        self.report().ready
    }

    fn report(&self) -> Report {
        let mut ready = true;
        let mut checks = BTreeMap::new();
        let draining = self
            .0
            .draining
            .load(Ordering::Relaxed)
            .then(|| "draining".to_owned());
        let mut add = |name, result: Result<(), String>| {
            ready &= result.is_ok();
            checks.insert(name, result.err().unwrap_or_else(|| "ok".to_owned()));
        };
        add("serving", draining.map_or(Ok(()), Err));
        for (name, check) in self.0.checks.read().iter() {
            add(name, check());
        }
        Report { ready, checks }
    }
}

/// The operator port: `/healthz`, `/readyz`, `/metrics`.
#[derive(Clone)]
pub struct Operator {
    metrics: Metrics,
    readiness: Readiness,
}

impl Operator {
    /// Over these.
    pub fn new(metrics: Metrics, readiness: Readiness) -> Self {
        Self { metrics, readiness }
    }
}

crate::routes! {
    /// The operator port's routes.
    enum Route {
        Health "GET, HEAD" "/healthz";
        Ready "GET, HEAD" "/readyz";
        Metrics "GET, HEAD" "/metrics";
    }
}

impl Operator {
    /// All it answers.
    pub fn endpoints() -> impl Iterator<Item = Endpoint> {
        Route::ALL.iter().map(|route| route.endpoint())
    }
}

impl Service for Operator {
    async fn call(&self, request: Request) -> Reply {
        let Some((route, _)) = Route::find(request.path()) else {
            return Problem::not_found().into();
        };
        let endpoint = route.endpoint();
        if !endpoint.takes(request.method()) {
            return Problem::method_not_allowed(endpoint.methods).into();
        }
        match route {
            Route::Health => Reply::bytes(StatusCode::OK, "text/plain", "ok\n"),
            Route::Ready => {
                let report = self.readiness.report();
                let status = if report.ready {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                Reply::json(status, &report)
            }
            Route::Metrics => Reply::bytes(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                self.metrics.encode(),
            ),
        }
    }
}
