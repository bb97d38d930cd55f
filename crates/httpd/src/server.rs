//! The listener: accepts within a limit, serves HTTP/1.1, drains.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, Entropy};
use futures_util::FutureExt;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use telemetry::{Count, Metrics, Times};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{Connection, Wire};
use crate::elsewhere::Elsewhere;
use crate::{Forwarded, Limits, Problem, Reply, Request, RequestId, Service};

/// Connections the kernel holds until they are accepted.
const BACKLOG: u32 = 1024;
/// Bytes of a request's head, at most (431).
const HEAD_BYTES: usize = 32 * 1024;
/// Turned-away clients that are told so at the same time; more are just closed.
const REFUSALS: usize = 64;
/// How long telling one may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
    Connection: close\r\nContent-Length: 0\r\n\r\n";
/// Pause after the kernel could not give us a connection (out of descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a server needs of the process it runs in.
#[derive(Clone)]
pub struct Host {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for request ids.
    pub entropy: Arc<dyn Entropy>,
    /// Metrics.
    pub metrics: Metrics,
}

/// A bound listener.
pub struct Server {
    name: &'static str,
    listener: TcpListener,
    limits: Limits,
    forwarded: Forwarded,
    elsewhere: Option<Elsewhere>,
    host: Host,
}

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every request in progress was answered.
    Finished,
    /// The time was up; this many connections were cut.
    Cut(usize),
}

impl Server {
    /// Binds an address (port 0: any free one). `name` is the listener's name in metrics. Inside a
    /// runtime only.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(
        name: &'static str,
        address: SocketAddr,
        limits: Limits,
        host: Host,
    ) -> io::Result<Self> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self {
            name,
            listener: socket.listen(BACKLOG)?,
            limits,
            forwarded: Forwarded::Ignore,
            elsewhere: None,
            host,
        })
    }

    /// Says whether forwarding headers are believed; they are not unless this says so.
    #[must_use]
    pub fn forwarded(mut self, forwarded: Forwarded) -> Self {
        self.forwarded = forwarded;
        self
    }

    /// Serves connections on `runtime` whose first request begins with `begin`, and all others where it
    /// accepts them.
    #[must_use]
    pub fn elsewhere(mut self, begin: &'static [u8], runtime: Handle) -> Self {
        self.elsewhere = Some(Elsewhere { begin, runtime });
        self
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` is cancelled, then drains: accepts no more, answers what is in
    /// progress, closes.
    pub async fn serve<S: Service>(self, service: S, shutdown: CancellationToken) -> Drained {
        let Self {
            name,
            listener,
            limits,
            forwarded,
            elsewhere,
            host,
        } = self;
        let places = Arc::new(Semaphore::new(limits.connections));
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        let tasks = TaskTracker::new();
        let cut = CancellationToken::new();
        let shared = Arc::new(Shared {
            name,
            service,
            limits,
            forwarded,
            elsewhere,
            answered: Answered::of(&host.metrics, name),
            host,
        });
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(listener = name, %error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                let (shutdown, cut) = (shutdown.clone(), cut.clone());
                let accepted = Accepted {
                    peer,
                    _open: Open::new(&shared.host.metrics, name),
                    _place: place,
                    ends: Ends { shutdown, cut },
                };
                tasks.spawn(Arc::clone(&shared).accepted(stream, accepted, tasks.clone()));
            } else {
                shared.host.metrics.count(telemetry::HTTP_REFUSED, [name]);
                if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                    tasks.spawn(refuse(stream, permit));
                }
            }
        }
        drop(listener);
        tasks.close();
        if tokio::time::timeout(limits.drain_timeout, tasks.wait())
            .await
            .is_ok()
        {
            return Drained::Finished;
        }
        let left = tasks.len();
        tracing::warn!(
            listener = name,
            connections = left,
            "connections cut at the end of the drain"
        );
        cut.cancel();
        tasks.wait().await;
        Drained::Cut(left)
    }
}

/// Tells a client that there is no room.
async fn refuse(stream: TcpStream, _permit: OwnedSemaphorePermit) {
    let wire = Arc::new(Wire::default());
    wire.set_unread(true);
    let mut connection = Connection::new(stream, wire, REFUSAL_TIMEOUT);
    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, async {
        connection.write_all(REFUSAL).await?;
        connection.shutdown().await
    })
    .await;
}

/// What all connections of a listener share.
struct Shared<S> {
    name: &'static str,
    service: S,
    limits: Limits,
    forwarded: Forwarded,
    elsewhere: Option<Elsewhere>,
    answered: Answered,
    host: Host,
}

/// A connection beside its stream.
struct Accepted {
    peer: SocketAddr,
    _open: Open,
    _place: OwnedSemaphorePermit,
    ends: Ends,
}

/// What ends connections.
struct Ends {
    /// They finish what they have begun.
    shutdown: CancellationToken,
    /// Cancelled after that one: they break off.
    cut: CancellationToken,
}

/// Requests of a listener by the class of their answer, and how long they took.
struct Answered {
    classes: [Count; 5],
    took: Times,
}

impl Answered {
    fn of(metrics: &Metrics, name: &'static str) -> Self {
        let class = |class| metrics.counter(telemetry::HTTP_REQUESTS, [name, class]);
        Self {
            classes: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(class),
            took: metrics.timer(telemetry::HTTP_REQUEST_SECONDS, [name]),
        }
    }

    fn count(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, self.classes.len());
        if let Some(counter) = self.classes.get(class - 1) {
            counter.one();
        }
        self.took.record(took);
    }
}

/// Counts a connection for as long as it lives.
struct Open(Metrics, &'static str);

impl Open {
    fn new(metrics: &Metrics, name: &'static str) -> Self {
        metrics.shift(telemetry::HTTP_CONNECTIONS, [name], 1);
        Self(metrics.clone(), name)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.shift(telemetry::HTTP_CONNECTIONS, [self.1], -1);
    }
}

impl<S: Service> Shared<S> {
    /// Finds the runtime for a connection.
    async fn accepted(self: Arc<Self>, stream: TcpStream, accepted: Accepted, tasks: TaskTracker) {
        let Some(elsewhere) = &self.elsewhere else {
            return self.connection(stream, accepted).await;
        };
        let takes = tokio::select! {
            biased;
            () = accepted.ends.shutdown.cancelled() => return,
            takes = elsewhere.takes(&stream, self.limits.read_timeout) => takes,
        };
        match takes {
            Some(false) => self.connection(stream, accepted).await,
            Some(true) => {
                // Out of this runtime's hands, into the other's.
                let Ok(stream) = stream.into_std() else {
                    return;
                };
                let runtime = elsewhere.runtime.clone();
                let served = async move {
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        self.connection(stream, accepted).await;
                    }
                };
                tasks.spawn_on(served, &runtime);
            }
            None => {}
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, accepted: Accepted) {
        let Accepted {
            peer,
            ends: Ends { shutdown, cut },
            ..
        } = &accepted;
        let peer = *peer;
        let _ = stream.set_nodelay(true);
        let wire = Arc::new(Wire::default());
        let io = Connection::new(stream, Arc::clone(&wire), self.limits.write_timeout);
        let service = service_fn(|request| self.answer(request, peer, &wire));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.read_timeout)
            .max_header_size(HEAD_BYTES)
            .max_buf_size(2 * HEAD_BYTES)
            .serve_connection(TokioIo::new(io), service);
        let mut served = pin!(served);
        // A broken or stalled connection is the client's affair: nobody else needs to know.
        tokio::select! {
            biased;
            _ = served.as_mut() => return,
            () = shutdown.cancelled() => served.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            biased;
            _ = served => {}
            () = cut.cancelled() => {}
        }
    }

    async fn answer(
        &self,
        request: http::Request<Incoming>,
        peer: SocketAddr,
        wire: &Arc<Wire>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        wire.set_unread(!body.is_end_stream());
        let id = RequestId::mint(&*self.host.entropy);
        let received = self.host.clock.mono();
        let audience = self.service.audience(head.uri.path());
        let request = Request {
            head,
            body,
            id,
            received,
            peer,
            limits: self.limits,
            forwarded: self.forwarded,
            wire: Arc::clone(wire),
        };
        let called = async { self.service.call(request).await };
        let reply = match AssertUnwindSafe(called).catch_unwind().await {
            Ok(reply) => reply,
            Err(_) => {
                tracing::error!(listener = self.name, request_id = %id, "a handler panicked");
                self.host.metrics.count(telemetry::HTTP_PANICS, [self.name]);
                Reply::from(Problem::internal())
            }
        };
        let took = self.host.clock.mono().since(received);
        self.answered.count(reply.status(), took);
        Ok(reply.finish(&id, audience))
    }
}
