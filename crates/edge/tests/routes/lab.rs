//! An edge on a free port.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::{Timestamp, TrackKey};
use edge::{Edge, Parts};
use http::HeaderName;
use httpd::{Drained, Forwarded, Host, Limits, Server};
use store::Sealer;
use store_local::{Local, LocalOptions};
use telemetry::Metrics;
use testkit::{FakeClock, SeededEntropy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::log::Store;

const CATALOG: &str = include_str!("../../../../deploy/catalog/auto-us.toml");
/// What the shipped catalog has no use for.
const MORE: &str = r#"
[publishers.hasty]
keys = ["a-key-of-the-hasty"]
requests_per_s = 2

[campaigns.guarded]
schema = "auto-insurance"
postback_tokens = ["a-token-of-the-guarded"]
postback = { networks = ["203.0.113.0/24", "2001:db8::7"], secret = "a-secret-of-the-guarded" }

[campaigns.guarded.goals]
sold = { approval = "hold 14d", repeat = false }
bound = { approval = "manual", txid_scope = "campaign" }

[links.every-macro]
publisher = "alpha-media"
offer = "auto-quotes"
destination = "https://quotes.example/auto/{s10}/x?c={click_id}&p={publisher}&k={campaign}&s1={s1}&i={ip_hash}&t={ts}&r={rand}&co={country}&d={device}&o={os}&cost={cost}&any={any}#f{s2}"

[links.paused-plain]
publisher = "alpha-media"
offer = "auto-quotes"
status = "paused"
destination = "https://quotes.example/auto"
"#;

pub(crate) static KEY: LazyLock<TrackKey> = LazyLock::new(|| TrackKey::new([7; 32]));
/// 2026-11-22T03:04:05.678Z
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_795_316_645_678_000);

pub(crate) struct Lab {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) clock: FakeClock,
    _served: JoinHandle<Drained>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// With its first line, names in lower case.
    pub(crate) head: Vec<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .iter()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn location(&self) -> &str {
        self.header("location")
            .unwrap_or_else(|| panic!("no location: {self:?}"))
    }

    /// A parameter of the location, still escaped.
    pub(crate) fn sent(&self, name: &str) -> &str {
        let (_, query) = self.location().split_once('?').unwrap();
        let query = query.split('#').next().unwrap();
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(own, _)| *own == name).unwrap().1
    }

    /// The cookie's `gvid=..`, to send back.
    pub(crate) fn cookie(&self) -> &str {
        let cookie = self.header("set-cookie").expect("a cookie");
        cookie.split(';').next().unwrap()
    }
}

impl Lab {
    pub(crate) fn start() -> Self {
        Self::start_with(Some("https://service.example/lost?a=b"))
    }

    pub(crate) fn start_with(fallback: Option<&str>) -> Self {
        let operators = [catalog::KeyDigest::of("an-operators-own-key")];
        let text = format!("{CATALOG}\n{MORE}");
        let snapshot =
            catalog::load_catalog("catalog", &text, &BTreeMap::new(), &operators).unwrap();
        let clock = FakeClock::new(NOW);
        let local = Local::open(LocalOptions::default(), clock.port()).unwrap();
        let (store, metrics) = (Store::new(local), Metrics::new());
        let entropy = Arc::new(SeededEntropy::new(1));
        let edge = Edge::new(Parts {
            backend: store.clone(),
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
            tracking: KEY.clone(),
            sealer: Arc::new(Sealer::new([1; 32], [2; 32])),
            clock: clock.port(),
            entropy: entropy.clone(),
            metrics: metrics.clone(),
            fallback_url: fallback.map(|url| url.parse().unwrap()),
            country_header: Some(HeaderName::from_static("cf-ipcountry")),
        });
        let host = Host {
            clock: clock.port(),
            entropy,
            metrics: metrics.clone(),
        };
        let limits = Limits {
            body_bytes: 4096,
            ..Limits::default()
        };
        let server = Server::bind("public", ([127, 0, 0, 1], 0).into(), limits, host)
            .unwrap()
            .forwarded(Forwarded::Trust);
        let address = server.local_addr().unwrap();
        let served = server.serve(edge, CancellationToken::new());
        let served = tokio::runtime::Handle::current().spawn(served);
        Self {
            address,
            store,
            metrics,
            clock,
            _served: served,
        }
    }

    /// `GET path` with header lines.
    pub(crate) async fn get(&self, path: &str, headers: &[&str]) -> Answer {
        self.ask("GET", path, headers, "").await
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let body = body.as_ref();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        for line in headers {
            request.push_str(line);
            request.push_str("\r\n");
        }
        if !body.is_empty() {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        // Who is refused before he has sent all may find the connection reset; what he is told is there.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let read = tokio::time::timeout(Duration::from_secs(20), read)
            .await
            .unwrap();
        if let Err(error) = read {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
        // A picture is no text: nobody looks into it here.
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.lines().map(str::to_owned).collect(),
            body: body.to_owned(),
        }
    }
}
