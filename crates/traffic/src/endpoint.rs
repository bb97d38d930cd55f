//! A publisher's endpoint: takes postbacks, checks their signatures, and keeps what it was told, in order.
//!
//! Now and then it takes a notice and does not acknowledge it, as servers do: what comes again has to be
//! what came before.

use std::collections::HashSet;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use domain::Micros;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sha2::Sha256;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Of so many notices one is not acknowledged when it comes for the first time.
const UNACKNOWLEDGED: usize = 8;
/// What the catalog is to send.
const PARAMETERS: &str =
    "id={notice_id}&conversion={conversion_id}&status={status}&payout={payout}";

/// One postback that was signed as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The notice's id.
    pub notice: String,
    /// The conversion's id.
    pub conversion: String,
    /// Its status.
    pub status: String,
    /// What the publisher gets.
    pub payout: Micros,
    /// All that it says, without time and signature.
    pub body: String,
}

/// What came, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ear {
    /// Postbacks.
    pub heard: Vec<Heard>,
    /// Requests that were no postbacks, or wrongly signed.
    pub strange: Vec<String>,
    notices: HashSet<String>,
}

/// The running endpoint; gone when it is dropped.
pub struct Endpoint {
    addr: SocketAddr,
    ear: Arc<Mutex<Ear>>,
    _serving: JoinSet<()>,
}

impl Endpoint {
    /// Listens on a free loopback port, on the current runtime.
    pub async fn start(secret: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let ear = Arc::default();
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, secret, Arc::clone(&ear)));
        Ok(Self {
            addr,
            ear,
            _serving: serving,
        })
    }

    /// The `url` of the publisher's `postback`.
    pub fn url(&self) -> String {
        format!("http://{}/postback?{PARAMETERS}", self.addr)
    }

    /// What came so far.
    pub fn ear(&self) -> Ear {
        self.ear
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn accept(listener: TcpListener, secret: &'static str, ear: Arc<Mutex<Ear>>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, secret, Arc::clone(&ear)));
            }
            // Out of descriptors, or reset before it was accepted: the next may do.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, secret: &'static str, ear: Arc<Mutex<Ear>>) {
    let service = service_fn(|request: Request<Incoming>| {
        let status = ear
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .listen(&request, secret);
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.status_mut() = status;
        async { Ok::<_, Infallible>(response) }
    });
    // A connection that breaks is the sender's affair: what was not acknowledged comes again.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Ear {
    fn listen<B>(&mut self, request: &Request<B>, secret: &str) -> StatusCode {
        let key = request.headers().get("idempotency-key");
        let query = request.uri().query().unwrap_or_default();
        let heard =
            read(query, secret).filter(|heard| key.is_some_and(|key| key == heard.notice.as_str()));
        let Some(heard) = heard else {
            self.strange.push(query.to_owned());
            return StatusCode::BAD_REQUEST;
        };
        let news = self.notices.insert(heard.notice.clone());
        let lost = news && self.notices.len() % UNACKNOWLEDGED == 1;
        self.heard.push(heard);
        if lost {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::OK
        }
    }
}

/// A query as `PARAMETERS` has it, with its time and its signature. No value of it needs decoding.
fn read(query: &str, secret: &str) -> Option<Heard> {
    let (signed, signature) = query.rsplit_once("&sig=")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(signed.as_bytes());
    mac.verify_slice(&HEXLOWER.decode(signature.as_bytes()).ok()?)
        .ok()?;
    let (body, _) = signed.rsplit_once("&sent_at=")?;
    let value = |name: &str| {
        let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    };
    Some(Heard {
        notice: value("id")?.to_owned(),
        conversion: value("conversion")?.to_owned(),
        status: value("status")?.to_owned(),
        payout: value("payout")?.parse().ok()?,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signed by another implementation.
    const SIGNED: &str = "id=nt_1&conversion=cv_1&status=approved&payout=12.50&sent_at=1800000060\
        &sig=1bd11948bdbca43aef6cf0b083b271f51d3dd5fa10c8ef26043a5257daf457f8";

    fn told(ear: &mut Ear, query: &str, key: &str) -> u16 {
        let request = Request::builder()
            .uri(format!("/postback?{query}"))
            .header("idempotency-key", key)
            .body(())
            .unwrap();
        ear.listen(&request, "a-secret-of-pub-1").as_u16()
    }

    #[test]
    fn what_is_signed_is_heard_in_order_and_the_first_comes_again() {
        let mut ear = Ear::default();
        assert_eq!(told(&mut ear, SIGNED, "nt_1"), 503);
        assert_eq!(told(&mut ear, SIGNED, "nt_1"), 200);
        let heard = Heard {
            notice: "nt_1".into(),
            conversion: "cv_1".into(),
            status: "approved".into(),
            payout: Micros::new(12_500_000),
            body: "id=nt_1&conversion=cv_1&status=approved&payout=12.50".into(),
        };
        assert_eq!(ear.heard, [heard.clone(), heard]);
        assert_eq!(ear.strange, [""; 0]);
    }

    #[test]
    fn what_is_not_signed_or_has_another_key_is_strange() {
        let mut ear = Ear::default();
        let (unsigned, _) = SIGNED.split_once("&sig=").unwrap();
        for (query, key) in [
            (SIGNED, "nt_2"),
            (unsigned, "nt_1"),
            (&SIGNED.replace("12.50", "13.50"), "nt_1"),
            ("", "nt_1"),
        ] {
            assert_eq!(told(&mut ear, query, key), 400, "{query}");
        }
        assert_eq!((ear.heard.len(), ear.strange.len()), (0, 4));
    }
}
