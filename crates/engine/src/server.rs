//! `gavel clickhouse`: the embedded engine as a process that speaks ClickHouse's HTTP interface.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::door::Door;
use crate::early::{Ahead, Early};
use crate::handler::{Shared, answer};
use crate::host::{BootError, Host};
use crate::lock::{DataLock, LockError};
use crate::output::Spool;
use crate::roll::{Roll, RollError, Source};
use crate::target::{Queries, Targets};

/// What `serve` is to serve.
#[derive(Debug)]
pub struct Options {
    pub listen: SocketAddr,
    pub data: PathBuf,
    /// `libchdb.so`, as `fetch::locate` found it.
    pub library: PathBuf,
    pub users: Source,
    /// With it whoever owns the data directory asks for a backup; nobody can guess it.
    pub key: [u8; 32],
    pub limits: Limits,
}

/// Every bound there is.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Queries at once; one more gets TOO_MANY_SIMULTANEOUS_QUERIES.
    pub queries: usize,
    /// Connections at once; further ones wait to be accepted.
    pub connections: usize,
    /// A statement, without the rows of an INSERT.
    pub query_bytes: usize,
    /// A request's body, decoded.
    pub body_bytes: u64,
    /// Read and thrown away after a refusal, so that the client can read why.
    pub drain_bytes: u64,
    /// Of a result, held back before the first byte of the answer.
    pub hold_bytes: usize,
    /// And as much if the client asks for it.
    pub most_hold_bytes: usize,
    /// Of a result held back whole for `wait_end_of_query=1`, in a file.
    pub wait_end_bytes: u64,
    /// How long a client may neither send nor read.
    pub patience: Duration,
    /// How long to wait for the data directory's lock.
    pub lock_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queries: 64,
            connections: 512,
            query_bytes: 4 << 20,
            body_bytes: 16 << 30,
            drain_bytes: 64 << 20,
            hold_bytes: 1 << 20,
            most_hold_bytes: 64 << 20,
            wait_end_bytes: 16 << 30,
            patience: Duration::from_secs(60),
            lock_wait: Duration::from_secs(10),
        }
    }
}

/// How to end: running queries get this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    pub grace: Duration,
}

#[derive(Debug, Error)]
pub enum ServeError {
    #[error("without users the engine listens on loopback only, and {0} is not: name a users file")]
    NotLoopback(SocketAddr),
    #[error(transparent)]
    Users(#[from] RollError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
}

/// Headers of a request, and bytes of its head beside what a longer URL has.
const MOST_HEADERS: usize = 1000;
const MOST_HEAD: usize = 1 << 20;

/// How long a stopped query, and then the engine itself, may take to end.
const STOPPING: Duration = Duration::from_secs(2);

/// Serves until `shutdown` resolves. `ready` hears the address once queries are answered.
///
/// The engine keeps threads that nothing ends (those of MergeTree tables), so afterwards the process
/// has to go by `exit_at_once`. The data is safe whenever it goes.
pub async fn serve(
    options: Options,
    ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = Shutdown>,
) -> Result<(), ServeError> {
    let Options {
        listen,
        data,
        library,
        users,
        key,
        limits,
    } = options;
    let reachable = !listen.ip().is_loopback();
    if reachable && matches!(users, Source::Open) {
        return Err(ServeError::NotLoopback(listen));
    }
    let roll = Arc::new(Roll::open(users, reachable)?);
    let mut lock = DataLock::take(&data, limits.lock_wait).await?;
    let spool = Spool {
        directory: data.clone(),
        most: limits.wait_end_bytes,
    };
    let (host, killer) = {
        let most = limits.queries;
        let booting = tokio::task::spawn_blocking(move || Host::boot(&library, &data, most));
        booting
            .await
            .map_err(|error| BootError::Thread(io::Error::other(error)))??
    };
    let listened = |source| ServeError::Listen {
        address: listen,
        source,
    };
    let listener = TcpListener::bind(listen).await.map_err(listened)?;
    let address = listener.local_addr().map_err(listened)?;
    let door = Door::new(address, key);
    lock.publish(&door)?;
    ready(address);

    let queries = Arc::new(Semaphore::new(limits.queries));
    let connections = Arc::new(Semaphore::new(limits.connections));
    let most_queries = u32::try_from(limits.queries).unwrap_or(u32::MAX);
    let shared = Arc::new(Shared {
        host,
        roll,
        door,
        limits,
        spool,
        queries: Arc::clone(&queries),
    });
    let (stop, stopped) = watch::channel(());
    let mut open: JoinSet<()> = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let how = loop {
        let accepted = async {
            // Never closed, so there is always a permit to come.
            let permit = Arc::clone(&connections).acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        tokio::select! {
            how = &mut shutdown => break how,
            Some(_) = open.join_next() => {}
            _ = seconds.tick() => {
                shared.roll.refresh();
                let over = shared.host.sessions.tick();
                if !over.is_empty() {
                    // Closing a connection may block.
                    tokio::task::spawn_blocking(move || drop(over));
                }
            }
            (accepted, permit) = accepted => match accepted {
                Ok((stream, _)) => {
                    let serving = connection(Arc::clone(&shared), stream, stopped.clone());
                    open.spawn(async move {
                        serving.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    };
    drop(listener);
    drop(stop);
    let drained = tokio::time::timeout(how.grace, async {
        while open.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        tracing::warn!("queries were still running at the end of the grace period");
    }
    // Clients that are still there are cut off, and what they asked for is stopped.
    open.shutdown().await;
    let quiet = tokio::time::timeout(STOPPING, queries.acquire_many(most_queries))
        .await
        .is_ok();
    drop(shared);
    if quiet {
        // Its connection is the last one: closing it shuts the engine's tables in order.
        let closing = tokio::task::spawn_blocking(move || killer.join());
        if tokio::time::timeout(STOPPING, closing).await.is_err() {
            tracing::warn!("the engine did not close in time");
        }
    } else {
        tracing::warn!("a query did not stop in time");
    }
    Ok(())
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, mut stopped: watch::Receiver<()>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let patience = shared.limits.patience;
    let (ahead, queries) = (Ahead::default(), Queries::default());
    let (reads, writes) = stream.into_split();
    let stream = tokio::io::join(
        Targets::new(reads, queries.clone()),
        Early::new(writes, ahead.clone()),
    );
    let service = service_fn(move |mut request: Request<Incoming>| {
        queries.join(request.extensions_mut());
        let (shared, ahead) = (Arc::clone(&shared), ahead.clone());
        async move { Ok::<_, Infallible>(answer(shared, request, &ahead).await) }
    });
    let mut connection = pin!(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .max_headers(MOST_HEADERS)
            .max_buf_size(MOST_HEAD)
            .serve_connection(TokioIo::new(stream), service)
    );
    let served = tokio::select! {
        served = connection.as_mut() => served,
        // The sender is dropped, never used: that is the signal.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}
