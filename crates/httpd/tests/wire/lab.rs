//! A server on a free port with a service of odd routes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{Clock, Entropy, Mono, Timestamp};
use http::{HeaderValue, StatusCode};
use httpd::{
    Audience, Code, Drained, Forwarded, Host, Issue, Limits, Problem, Reply, Request, Scheme,
    Server, Service,
};
use telemetry::Metrics;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Counts instead of drawing, and stands still instead of ticking.
#[derive(Default)]
pub(crate) struct Still(AtomicU64);

impl Entropy for Still {
    fn fill(&self, out: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        out.fill(0);
        for (to, from) in out.iter_mut().rev().zip(number.iter().rev()) {
            *to = *from;
        }
    }
}

impl Clock for Still {
    fn wall(&self) -> Timestamp {
        Timestamp::default()
    }

    fn mono(&self) -> Mono {
        Mono::default()
    }
}

pub(crate) struct Lab {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<Drained>,
    /// Lets the requests to `/hold` go.
    pub(crate) release: Arc<Notify>,
    /// Told when a request to `/hold` has begun.
    pub(crate) held: Arc<Notify>,
}

/// A runtime whose thread is called `apart`.
pub(crate) struct Apart(Option<Runtime>);

impl Apart {
    pub(crate) fn start() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let builder = builder.worker_threads(1).thread_name("apart").enable_all();
        Self(Some(builder.build().unwrap()))
    }

    pub(crate) fn handle(&self) -> Handle {
        self.0.as_ref().unwrap().handle().clone()
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // A runtime may not wait for its end inside another.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) struct Routes {
    release: Arc<Notify>,
    held: Arc<Notify>,
}

impl Service for Routes {
    async fn call(&self, mut request: Request) -> Reply {
        let path = request.path().to_owned();
        match path.as_str() {
            "/ok" => Reply::bytes(StatusCode::OK, "text/plain", "fine\n"),
            "/echo" => match request.body().await {
                Ok(body) => Reply::bytes(StatusCode::OK, "text/plain", format!("{}\n", body.len())),
                Err(error) => Problem::from(error).into(),
            },
            "/panic" => panic!("as asked"),
            "/hold" => {
                self.held.notify_one();
                self.release.notified().await;
                Reply::bytes(StatusCode::OK, "text/plain", "held\n")
            }
            "/thread" => {
                let thread = std::thread::current();
                let name = thread.name().unwrap_or_default();
                Reply::bytes(StatusCode::OK, "text/plain", format!("{name}\n"))
            }
            "/vast" => Reply::bytes(StatusCode::OK, "text/plain", vec![b'x'; 64 << 20]),
            "/away" => Reply::redirect(HeaderValue::from_static("https://example.test/")),
            "/who" => {
                let scheme = match request.scheme() {
                    Scheme::Http => "http",
                    Scheme::Https => "https",
                };
                let who = format!("{} {scheme}\n", request.client_ip());
                Reply::bytes(StatusCode::OK, "text/plain", who)
            }
            "/invalid" => {
                let issue = |pointer: &'static str| Issue {
                    pointer: pointer.into(),
                    code: "required".into(),
                    message: "is missing".into(),
                };
                Problem::new(Code::InvalidLead, "2 issues")
                    .issues([issue("/lead/zip"), issue("/lead/age")])
                    .member("lead_id", "ld_1")
                    .into()
            }
            "/get" | "/page" => Problem::method_not_allowed("GET, HEAD").into(),
            _ => Problem::not_found().into(),
        }
    }

    fn audience(&self, path: &str) -> Audience {
        match path {
            "/page" => Audience::Person,
            _ => Audience::Program,
        }
    }
}

pub(crate) const LIMITS: Limits = Limits {
    connections: 64,
    body_bytes: 64 * 1024,
    read_timeout: Duration::from_secs(20),
    write_timeout: Duration::from_secs(20),
    drain_timeout: Duration::from_secs(20),
};

/// What must take short in a test about it.
pub(crate) const SHORT: Duration = Duration::from_millis(50);

impl Lab {
    pub(crate) fn start(limits: Limits) -> Self {
        Self::start_behind(limits, Forwarded::Ignore)
    }

    pub(crate) fn start_behind(limits: Limits, forwarded: Forwarded) -> Self {
        Self::start_with(limits, |server| server.forwarded(forwarded))
    }

    pub(crate) fn start_with(limits: Limits, set: impl FnOnce(Server) -> Server) -> Self {
        let metrics = Metrics::new();
        let host = Host {
            clock: Arc::new(Still::default()),
            entropy: Arc::new(Still::default()),
            metrics: metrics.clone(),
        };
        let server = Server::bind("lab", ([127, 0, 0, 1], 0).into(), limits, host).unwrap();
        let server = set(server);
        let address = server.local_addr().unwrap();
        let (shutdown, release, held) = (
            CancellationToken::new(),
            Arc::new(Notify::new()),
            Arc::new(Notify::new()),
        );
        let routes = Routes {
            release: Arc::clone(&release),
            held: Arc::clone(&held),
        };
        let token = shutdown.clone();
        let served = tokio::runtime::Handle::current()
            .spawn(async move { server.serve(routes, token).await });
        Self {
            address,
            metrics,
            shutdown,
            served,
            release,
            held,
        }
    }

    /// Waits until the server has this many connections open.
    pub(crate) async fn connections(&self, expected: i64) {
        let reached = async {
            while self.metrics.gauged(telemetry::HTTP_CONNECTIONS, ["lab"]) != expected {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached)
            .await
            .unwrap_or_else(|_| panic!("never {expected} connections"));
    }
}
