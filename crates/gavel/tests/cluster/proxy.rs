//! A way to ClickHouse on which inserts and their answers are lost, or held up for as long as a test wants.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::town::PATIENCE;

/// What becomes of inserts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They go through.
    Open,
    /// Every other is done, and whoever sent it does not hear of it.
    Deaf,
    /// They wait before they reach ClickHouse.
    HeldBefore,
    /// They are done, and their answers wait.
    HeldAfter,
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// Inserts that were done.
    done: u64,
    /// Those of which nobody heard.
    unheard: u64,
    /// Those that were held.
    held: u64,
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    way: watch::Sender<Way>,
    seen: watch::Sender<Seen>,
}

impl Proxy {
    /// Between nodes and `clickhouse`, until the test ends.
    pub(crate) async fn before(clickhouse: SocketAddr) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            way: watch::Sender::new(Way::Open),
            seen: watch::Sender::new(Seen::default()),
        });
        let accepting = Arc::clone(&proxy);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let proxy = Arc::clone(&accepting);
                tokio::spawn(async move {
                    // Either side may be gone at any time: that is what it is for.
                    let _ = proxy.carry(client, clickhouse).await;
                });
            }
        });
        proxy
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// How many inserts nobody heard of.
    pub(crate) fn unheard(&self) -> u64 {
        self.seen.borrow().unheard
    }

    /// How many were held, or are.
    pub(crate) fn held(&self) -> u64 {
        self.seen.borrow().held
    }

    /// How many were done.
    pub(crate) fn written(&self) -> u64 {
        self.seen.borrow().done
    }

    /// Waits until that many are done, and one more.
    pub(crate) async fn writes_more_than(&self, written: u64) {
        let mut seen = self.seen.subscribe();
        let waiting = seen.wait_for(|seen| seen.done > written);
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "no insert came");
    }

    /// Waits while inserts are held so.
    async fn hold(&self, held: Way) {
        if *self.way.borrow() == held {
            self.seen.send_modify(|seen| seen.held += 1);
            let mut way = self.way.subscribe();
            let _ = way.wait_for(|way| *way != held).await;
        }
    }

    /// One connection. A client sends nothing before it has its answer, so a request begins with what is
    /// read, and an answer too.
    async fn carry(&self, client: TcpStream, clickhouse: SocketAddr) -> std::io::Result<()> {
        let server = TcpStream::connect(clickhouse).await?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let (mut sent, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        let mut inserting = false;
        loop {
            tokio::select! {
                read = from_client.read(&mut sent) => {
                    let Some(sent) = sent.get(..read?).filter(|sent| !sent.is_empty()) else {
                        return Ok(());
                    };
                    if sent.starts_with(b"POST ") && head(sent).contains("query=INSERT") {
                        inserting = true;
                        self.hold(Way::HeldBefore).await;
                    }
                    to_server.write_all(sent).await?;
                }
                read = from_server.read(&mut answered) => {
                    let Some(answered) = answered.get(..read?).filter(|some| !some.is_empty()) else {
                        return Ok(());
                    };
                    if inserting && answered.starts_with(b"HTTP/1.1 200") {
                        inserting = false;
                        self.seen.send_modify(|seen| seen.done += 1);
                        self.hold(Way::HeldAfter).await;
                        let done = self.seen.borrow().done;
                        if *self.way.borrow() == Way::Deaf && done.is_multiple_of(2) {
                            self.seen.send_modify(|seen| seen.unheard += 1);
                            return Ok(());
                        }
                    }
                    to_client.write_all(answered).await?;
                }
            }
        }
    }
}

/// The first line.
fn head(request: &[u8]) -> String {
    let line = request.split(|byte| *byte == b'\r').next();
    String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
}
