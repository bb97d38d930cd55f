//! The floor of an auction: one POST in, a ping to each buyer, the best bid out. Capped pools of
//! kept-alive connections and a time limit, and nothing else.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio_util::task::TaskTracker;

/// As the catalog of the load tests says.
const CONNECTIONS: usize = 128;
const PING_TIMEOUT: Duration = Duration::from_millis(500);

fn main() -> Result<()> {
    let buyers = std::env::args()
        .skip(1)
        .map(|address| address.parse().with_context(|| address.clone()))
        .collect::<Result<Vec<SocketAddr>>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, serve(buyers))
}

async fn serve(buyers: Vec<SocketAddr>) -> Result<()> {
    let pools: Rc<[Pool]> = buyers.into_iter().map(Pool::new).collect();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    loadtest::announce::say(listener.local_addr()?)?;
    let connections = TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let pools = Rc::clone(&pools);
        connections.spawn_local(async move {
            let answer = service_fn(|request| answer(request, Rc::clone(&pools)));
            // How a connection ends is its client's affair.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

/// What a publisher sends.
#[derive(Deserialize)]
struct Asked<'a> {
    tmax_ms: u64,
    #[serde(borrow)]
    lead: &'a RawValue,
}

/// What a buyer is sent.
#[derive(Serialize)]
struct Ping<'a> {
    ping_id: String,
    tmax_ms: u64,
    currency: &'static str,
    lead: &'a RawValue,
}

/// What it answers.
#[derive(Deserialize)]
struct Bid<'a> {
    bid: Option<&'a str>,
}

async fn answer(
    request: Request<Incoming>,
    pools: Rc<[Pool]>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let best = match request.into_body().collect().await {
        Ok(body) => auction(&body.to_bytes(), &pools).await,
        Err(_) => None,
    };
    let (status, body) = match best {
        Some(best) => (
            StatusCode::OK,
            format!(r#"{{"status":"quoted","payout":"{best}"}}"#),
        ),
        None => (StatusCode::BAD_GATEWAY, String::new()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Ok(response)
}

/// The highest bid, in cents.
async fn auction(body: &[u8], pools: &Rc<[Pool]>) -> Option<u64> {
    let asked: Asked<'_> = serde_json::from_slice(body).ok()?;
    let mut calls = JoinSet::new();
    for index in 0..pools.len() {
        let ping = Ping {
            ping_id: format!("bp_{index:032x}"),
            tmax_ms: asked.tmax_ms,
            currency: "USD",
            lead: asked.lead,
        };
        let body = serde_json::to_vec(&ping).ok()?;
        let pools = Rc::clone(pools);
        calls.spawn_local(async move {
            let pool = pools.get(index)?;
            tokio::time::timeout(PING_TIMEOUT, pool.ping(body))
                .await
                .ok()?
        });
    }
    let mut best = None;
    while let Some(bid) = calls.join_next().await {
        best = best.max(bid.ok().flatten());
    }
    best
}

/// Connections to one buyer.
struct Pool {
    address: SocketAddr,
    places: Semaphore,
    idle: RefCell<Vec<SendRequest<Full<Bytes>>>>,
    drivers: TaskTracker,
}

impl Pool {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            places: Semaphore::new(CONNECTIONS),
            idle: RefCell::default(),
            drivers: TaskTracker::new(),
        }
    }

    async fn ping(&self, body: Vec<u8>) -> Option<u64> {
        let _place = self.places.acquire().await.ok()?;
        let idle = self.idle.borrow_mut().pop();
        let mut sender = match idle {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        sender.ready().await.ok()?;
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = http::Uri::from_static("/ping");
        let headers = request.headers_mut();
        headers.insert(header::HOST, http::HeaderValue::from_static("buyer"));
        let json = http::HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        let answer = sender.send_request(request).await.ok()?;
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        self.idle.borrow_mut().push(sender);
        let bid: Bid<'_> = serde_json::from_slice(&body).ok()?;
        bid.bid?.replace('.', "").parse().ok()
    }

    async fn connect(&self) -> Option<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        self.drivers.spawn_local(async move {
            // How a connection ends is seen by the call on it.
            let _ = connection.await;
        });
        Some(sender)
    }
}
