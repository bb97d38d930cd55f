//! What operators and their machines ask: is it alive, is it ready, what are its numbers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::Timestamp;
use http::StatusCode;
use parking_lot::RwLock;
use serde::{Serialize, Serializer};
use telemetry::{Metrics, NODE_PART};

use crate::{Endpoint, Problem, Reply, Request, Service};

type Say = Box<dyn Fn() -> String + Send + Sync>;
type Check = Box<dyn Fn() -> Standing + Send + Sync>;

/// How something stands that the process needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Standing {
    /// As it should be.
    Ok,
    /// Traffic should not come.
    Missing {
        /// What is missing, for a person.
        what: String,
    },
    /// It is away, and traffic may come all the same: no request waits for it.
    Away {
        /// What it says, for a person.
        what: String,
        /// Since when.
        #[serde(serialize_with = "as_text")]
        since: Timestamp,
    },
}

impl Standing {
    /// All of its names.
    const NAMES: [&'static str; 3] = ["ok", "missing", "away"];

    /// Its name.
    const fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing { .. } => "missing",
            Self::Away { .. } => "away",
        }
    }

    /// Traffic should not come, because of this.
    pub fn missing(what: impl Into<String>) -> Self {
        Self::Missing { what: what.into() }
    }
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// What has to hold before traffic should come. Cloning shares it.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Inner>);

#[derive(Default)]
struct Inner {
    checks: RwLock<BTreeMap<&'static str, Check>>,
    says: RwLock<BTreeMap<&'static str, Say>>,
    draining: AtomicBool,
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    checks: BTreeMap<&'static str, Standing>,
    #[serde(flatten)]
    says: BTreeMap<&'static str, String>,
}

impl Readiness {
    /// Adds a check, or replaces the one of this name. It is asked at each `/readyz` and must not
    /// wait for anything; what it finds is shown.
    pub fn register(
        &self,
        name: &'static str,
        check: impl Fn() -> Standing + Send + Sync + 'static,
    ) {
        self.0.checks.write().insert(name, Box::new(check));
    }

    /// Adds a member to `/readyz`: what somebody who compares nodes wants to see.
    pub fn say(&self, name: &'static str, what: impl Fn() -> String + Send + Sync + 'static) {
        self.0.says.write().insert(name, Box::new(what));
    }

    /// From now on it is not ready, whatever the checks say: the process is about to stop.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Whether nothing is missing.
    pub fn ready(&self) -> bool {
        self.report().ready
    }

    fn report(&self) -> Report {
        let mut ready = true;
        let mut checks = BTreeMap::new();
        let draining = self.0.draining.load(Ordering::Relaxed);
        let mut add = |name, standing: Standing| {
            ready &= !matches!(standing, Standing::Missing { .. });
            checks.insert(name, standing);
        };
        add(
            "serving",
            match draining {
                true => Standing::missing("draining"),
                false => Standing::Ok,
            },
        );
        for (name, check) in self.0.checks.read().iter() {
            add(name, check());
        }
        let says = self.0.says.read();
        Report {
            ready,
            checks,
            says: says.iter().map(|(name, say)| (*name, say())).collect(),
        }
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
    /// Puts into the metrics what `/readyz` would say now.
    fn tell(&self) {
        for (part, standing) in self.readiness.report().checks {
            for name in Standing::NAMES {
                let is = i64::from(name == standing.name());
                self.metrics.set(NODE_PART, [part, name], is);
            }
        }
    }

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
            Route::Metrics => {
                self.tell();
                Reply::bytes(
                    StatusCode::OK,
                    "text/plain; version=0.0.4; charset=utf-8",
                    self.metrics.encode(),
                )
            }
        }
    }
}
