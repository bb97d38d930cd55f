//! The buyers' listeners: one port each, HTTP/1.1 with keep-alive, bounded in every direction.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::Clock;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::buyer::{Buyer, Reply};
use crate::fault::{self, AnswerBody, Broken};
use crate::{Delivery, JournalError, Profile, Tap};

/// Connections a buyer holds open at once; more wait in the listen queue.
const CONNECTIONS: usize = 1024;
/// The largest request a buyer reads.
const BODY_LIMIT: usize = 256 * 1024;
/// How long a request's head may take.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// How long a request that is never answered is kept open.
const HOLD_LIMIT: Duration = Duration::from_secs(120);

/// Where the buyers listen, on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// On ports the system chooses.
    Any,
    /// On this port and the following ones.
    From(u16),
}

/// What to run.
pub struct Options {
    /// Where.
    pub listen: Listen,
    /// One buyer for each.
    pub profiles: Vec<Profile>,
    /// What all draws begin with.
    pub seed: u64,
    /// The directory of the journals.
    pub journal: PathBuf,
    /// The lead field that joins an entry with a client's request.
    pub marker: String,
    /// Who watches.
    pub tap: Option<Arc<dyn Tap>>,
}

/// A buyer and its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listening {
    /// The buyer's name.
    pub name: String,
    /// Where it listens.
    pub addr: SocketAddr,
}

/// The buyers did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken, or there are not enough above the first one.
    #[error("cannot listen on port {port}: {source}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// A journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Running buyers.
pub struct Sandbox {
    buyers: Vec<Listening>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Sandbox {
    /// Opens journals and ports and begins to serve, on the current runtime.
    pub async fn start(options: Options, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mut buyers = Vec::new();
        for (index, profile) in (0_u16..).zip(options.profiles) {
            let port = match options.listen {
                Listen::Any => 0,
                Listen::From(base) => base.saturating_add(index),
            };
            let refused = |source| StartError::Listen { port, source };
            let listener = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), port))
                .await
                .map_err(refused)?;
            let addr = listener.local_addr().map_err(refused)?;
            buyers.push(Listening {
                name: profile.name.clone(),
                addr,
            });
            let buyer = Arc::new(Buyer::open(
                profile,
                options.seed,
                options.marker.clone(),
                &options.journal,
                Arc::clone(&clock),
                options.tap.clone(),
            )?);
            tasks.spawn(accept(listener, buyer, tasks.clone(), stop.clone()));
        }
        Ok(Self {
            buyers,
            tasks,
            stop,
        })
    }

    /// The buyers in the order of their profiles.
    pub fn buyers(&self) -> &[Listening] {
        &self.buyers
    }

    /// Closes the ports and ends what is under way.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(
    listener: TcpListener,
    buyer: Arc<Buyer>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, stream) = tokio::select! {
            (slot, accepted) = accepted => match (slot, accepted) {
                (Ok(slot), Ok((stream, _))) => (slot, stream),
                // Out of descriptors, or reset before it was accepted: the next may do.
                _ => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                }
            },
            () = stop.cancelled() => return,
        };
        let (buyer, work, stop) = (Arc::clone(&buyer), tasks.clone(), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = connection(stream, buyer, &work, &stop) => {}
                () = stop.cancelled() => {}
            }
            drop(slot);
        });
    }
}

async fn connection(
    stream: TcpStream,
    buyer: Arc<Buyer>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    // Without it an answer may wait for an acknowledgement; where it fails the socket is gone.
    let _ = stream.set_nodelay(true);
    // A second handle on the socket, so that a reset can be asked for while hyper owns the stream.
    let Ok(socket) = SockRef::from(&stream).try_clone() else {
        return;
    };
    let service = service_fn(|request| answer(request, &buyer, tasks, stop, &socket));
    // A broken connection is the client's affair, or was our purpose.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    buyer: &Arc<Buyer>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
    socket: &socket2::Socket,
) -> Result<Response<AnswerBody>, Broken> {
    if request.method() != Method::POST {
        return Ok(fault::empty(StatusCode::METHOD_NOT_ALLOWED));
    }
    let Ok(body) = Limited::new(request.into_body(), BODY_LIMIT)
        .collect()
        .await
    else {
        return Ok(fault::empty(StatusCode::PAYLOAD_TOO_LARGE));
    };
    // A task of its own: a buyer that has read a post has it, even if the caller dies.
    let work = Arc::clone(buyer).serve(body.to_bytes());
    let stop = stop.clone();
    let work = tasks.spawn(async move {
        tokio::select! {
            reply = work => Some(reply),
            () = stop.cancelled() => None,
        }
    });
    let Ok(Some(reply)) = work.await else {
        return Err(Broken);
    };
    let (delivery, body) = match reply {
        Reply::Deliver { delivery, body } => (delivery, body),
        Reply::BadRequest(message) => {
            let problem = serde_json::json!({ "error": message }).to_string();
            return Ok(fault::json(StatusCode::BAD_REQUEST, problem.into_bytes()));
        }
        Reply::NoJournal(error) => {
            let problem = serde_json::json!({ "error": error.to_string() }).to_string();
            return Ok(fault::json(
                StatusCode::SERVICE_UNAVAILABLE,
                problem.into_bytes(),
            ));
        }
    };
    match delivery {
        Delivery::Answered | Delivery::Late => Ok(match body {
            Some(body) => fault::json(StatusCode::OK, body),
            None => fault::empty(StatusCode::NO_CONTENT),
        }),
        Delivery::Never => {
            tokio::time::sleep(HOLD_LIMIT).await;
            Err(Broken)
        }
        Delivery::Reset => {
            // With a linger of zero the close is a reset; where it fails the close is an orderly one.
            let _ = socket.set_linger(Some(Duration::ZERO));
            Err(Broken)
        }
        Delivery::ServerError => Ok(fault::empty(StatusCode::INTERNAL_SERVER_ERROR)),
        Delivery::Garbage => Ok(fault::garbage()),
        Delivery::Truncated => Ok(fault::truncated(body.unwrap_or_default())),
    }
}
