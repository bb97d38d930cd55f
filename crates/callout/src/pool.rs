//! Connections to one partner: capped, kept alive, the most recently used first.
//!
//! A request waits for a free place inside its own time rather than race a new connection against
//! a pooled one: clients that do collapse under overload (docs/adr/0005).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, Mono};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;

/// Where a partner listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
}

impl Origin {
    /// Of a URL; none if it names no host.
    pub fn of(url: &Url) -> Option<Self> {
        Some(Self {
            host: url.host_str()?.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default()?,
            tls: url.scheme() == "https",
        })
    }
}

/// Limits of one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Connections at once, idle ones included.
    pub connections: usize,
    /// To wait for a place.
    pub wait: Duration,
    /// To open one.
    pub connect: Duration,
    /// A connection idle for longer is not used again.
    pub idle: Duration,
}

/// Why no connection was had. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No place came free in time.
    #[error("all connections to the partner are busy")]
    Busy,
    /// No connection came to be in time.
    #[error("connecting took too long")]
    TimedOut,
    /// The network said no.
    #[error("cannot connect: {0}")]
    Io(#[from] io::Error),
    /// The other side speaks something else.
    #[error("cannot speak HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// Nobody uses the pool any more.
    #[error("the pool is closed")]
    Closed,
}

struct Idle {
    sender: SendRequest<Full<Bytes>>,
    since: Mono,
}

/// A pool. Shared by all that call the same partner at the same origin.
pub struct Pool {
    origin: Origin,
    limits: PoolLimits,
    tls: TlsConnector,
    clock: Arc<dyn Clock>,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
}

/// A place among a pool's connections: who holds one may have one.
pub struct Place(#[expect(dead_code, reason = "its end frees the place")] OwnedSemaphorePermit);

/// A connection that is in use. Give it back with [`Lease::reuse`]; dropping it closes it.
pub(crate) struct Lease {
    pub(crate) sender: SendRequest<Full<Bytes>>,
    pool: Arc<Pool>,
    place: Place,
}

impl Lease {
    /// The exchange is over and its answer was read whole.
    pub(crate) fn reuse(self) {
        if self.sender.is_closed() {
            return;
        }
        let since = self.pool.clock.mono();
        self.pool.idle.lock().push(Idle {
            sender: self.sender,
            since,
        });
        drop(self.place);
    }
}

impl Pool {
    /// An empty one.
    pub fn new(
        origin: Origin,
        limits: PoolLimits,
        tls: TlsConnector,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(limits.connections));
        Arc::new(Self {
            origin,
            limits,
            tls,
            clock,
            places,
            idle: Mutex::default(),
        })
    }

    /// Takes an idle connection or opens one.
    pub(crate) async fn lease(self: &Arc<Self>, place: Place) -> Result<Lease, ConnectError> {
        while let Some(sender) = self.take_idle() {
            let mut sender = sender;
            if sender.ready().await.is_ok() {
                return Ok(Lease {
                    sender,
                    pool: Arc::clone(self),
                    place,
                });
            }
        }
        self.connect(place).await
    }

    /// As [`Pool::lease`], but on a new connection: an idle one had gone stale, and the others may
    /// have too.
    pub(crate) async fn fresh(self: &Arc<Self>) -> Result<Lease, ConnectError> {
        let place = self.place().await?;
        self.idle.lock().clear();
        self.connect(place).await
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// None came free in time.
    pub async fn place(&self) -> Result<Place, ConnectError> {
        let places = Arc::clone(&self.places);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            return Ok(Place(place));
        }
        match tokio::time::timeout(self.limits.wait, places.acquire_owned()).await {
            Ok(Ok(place)) => Ok(Place(place)),
            Ok(Err(_)) => Err(ConnectError::Closed),
            Err(_) => Err(ConnectError::Busy),
        }
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let now = self.clock.mono();
        let mut idle = self.idle.lock();
        // The newest is last; what is older than the limit, and all below it, is closed here.
        let keep = idle
            .iter()
            .position(|conn| now.since(conn.since) < self.limits.idle);
        match keep {
            Some(first) => drop(idle.drain(..first)),
            None => idle.clear(),
        }
        while let Some(conn) = idle.pop() {
            if !conn.sender.is_closed() {
                return Some(conn.sender);
            }
        }
        None
    }

    async fn connect(self: &Arc<Self>, place: Place) -> Result<Lease, ConnectError> {
        let opening = tokio::time::timeout(self.limits.connect, self.open());
        let sender = opening.await.map_err(|_| ConnectError::TimedOut)??;
        Ok(Lease {
            sender,
            pool: Arc::clone(self),
            place,
        })
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, ConnectError> {
        let stream = TcpStream::connect((self.origin.host.as_str(), self.origin.port)).await?;
        stream.set_nodelay(true)?;
        let stream = if self.origin.tls {
            let name = ServerName::try_from(self.origin.host.clone())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            Stream::Tls(Box::new(self.tls.connect(name, stream).await?))
        } else {
            Stream::Plain(stream)
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // The connection ends when its sender is dropped; there is one per pool place.
        spawn_connection(connection);
        Ok(sender)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "bounded by the pool's cap; ends with its sender"
)]
fn spawn_connection(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a partner's connection ended");
        }
    });
}

/// Plain TCP or TLS over it.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }
}

/// TLS with the public certificate authorities.
pub fn connector() -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
