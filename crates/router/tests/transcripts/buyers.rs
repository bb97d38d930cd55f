//! The buyers of a scenario: one listener on loopback that answers as the script says and keeps
//! what it got.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::Clock;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::clock::SceneClock;
use crate::script::{Answer, Does, duration};

/// What a buyer is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Ping,
    Post,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ping => "ping",
            Self::Post => "post",
        })
    }
}

/// One request that came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) contract: String,
    pub(crate) kind: Kind,
    pub(crate) body: Value,
}

type To = (String, Kind);

#[derive(Default)]
struct Desk {
    scripts: BTreeMap<To, VecDeque<Answer>>,
    got: Vec<Got>,
    /// Every post that ever came.
    posts: Vec<Got>,
    counts: BTreeMap<To, usize>,
}

/// All buyers.
#[derive(Clone)]
pub(crate) struct Buyers {
    pub(crate) address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
    released: Arc<watch::Sender<BTreeSet<String>>>,
    clock: SceneClock,
}

impl Buyers {
    pub(crate) async fn open(clock: SceneClock, tasks: TaskTracker) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let buyers = Self {
            address: listener.local_addr().unwrap(),
            desk: Arc::default(),
            released: Arc::new(watch::Sender::default()),
            clock,
        };
        let serving = buyers.clone();
        let connections = tasks.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let buyers = serving.clone();
                connections.spawn(async move { buyers.connection(stream).await });
            }
        });
        buyers
    }

    pub(crate) fn script(&self, contract: &str, kind: Kind, answers: VecDeque<Answer>) {
        let mut desk = self.desk.lock().unwrap();
        desk.scripts.insert((contract.to_owned(), kind), answers);
    }

    /// Held answers of this contract go, from now on.
    pub(crate) fn release(&self, contract: &str) {
        self.released.send_modify(|released| {
            released.insert(contract.to_owned());
        });
    }

    /// How often this contract was asked so far.
    pub(crate) fn count(&self, contract: &str, kind: Kind) -> usize {
        let desk = self.desk.lock().unwrap();
        let count = desk.counts.get(&(contract.to_owned(), kind));
        count.copied().unwrap_or(0)
    }

    /// What came since the last call, by contract and kind.
    pub(crate) fn take(&self) -> Vec<Got> {
        let mut got = std::mem::take(&mut self.desk.lock().unwrap().got);
        got.sort_by(|a, b| (a.kind, &a.contract).cmp(&(b.kind, &b.contract)));
        got
    }

    /// The posts of a lead, in order.
    pub(crate) fn posts(&self, lead: &str) -> Vec<Got> {
        let desk = self.desk.lock().unwrap();
        let posts = desk.posts.iter();
        let of_lead = posts.filter(|got| got.body["lead_id"] == lead);
        of_lead.cloned().collect()
    }

    async fn connection(&self, mut stream: TcpStream) {
        while let Some((path, body)) = request(&mut stream).await {
            let (kind, contract) = match path.trim_start_matches('/').split_once('/') {
                Some(("ping", contract)) => (Kind::Ping, contract.to_owned()),
                Some(("post", contract)) => (Kind::Post, contract.to_owned()),
                _ => panic!("nobody is called at {path}"),
            };
            let answer = self.next(&contract, kind, body);
            if answer.held {
                let mut released = self.released.subscribe();
                let released = released.wait_for(|released| released.contains(&contract));
                released.await.unwrap();
            }
            tokio::time::sleep(answer.after).await;
            match answer.does {
                Does::Says(status, body) => {
                    let body = self.dated(body);
                    let length = body.len();
                    let text =
                        format!("HTTP/1.1 {status} -\r\ncontent-length: {length}\r\n\r\n{body}");
                    if stream.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
                Does::Never => std::future::pending().await,
                Does::HangsUp => return,
                Does::CutShort => {
                    let text = "HTTP/1.1 200 -\r\ncontent-length: 999\r\n\r\n{\"status\":";
                    let _ = stream.write_all(text.as_bytes()).await;
                    return;
                }
                Does::Endless => {
                    let _ = stream.write_all(b"HTTP/1.1 200 -\r\n\r\n").await;
                    while stream.write_all(&[b' '; 4096]).await.is_ok() {}
                    return;
                }
            }
        }
    }

    /// Keeps what came, and says what to answer: the last answer of a script stays.
    fn next(&self, contract: &str, kind: Kind, body: Value) -> Answer {
        let mut desk = self.desk.lock().unwrap();
        let to = (contract.to_owned(), kind);
        let got = Got {
            contract: contract.to_owned(),
            kind,
            body,
        };
        if kind == Kind::Post {
            desk.posts.push(got.clone());
        }
        desk.got.push(got);
        *desk.counts.entry(to.clone()).or_default() += 1;
        let script = desk.scripts.get_mut(&to);
        let script =
            script.unwrap_or_else(|| panic!("{contract} does not know what to answer to a {kind}"));
        match script.len() {
            1 => script[0].clone(),
            _ => script.pop_front().unwrap(),
        }
    }

    /// `"in 90s"` in a body becomes that time.
    fn dated(&self, body: String) -> String {
        let Some((before, rest)) = body.split_once("\"in ") else {
            return body;
        };
        let (time, after) = rest.split_once('"').unwrap();
        let at = self.clock.wall().plus(duration(time));
        format!("{before}\"{at}\"{after}")
    }
}

/// Path and body of the next request; none if the caller is gone.
async fn request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut read = Vec::new();
    let head = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(read[..head].to_vec()).unwrap();
    let length: usize = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    while read.len() < head + length {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
    let path = text.split(' ').nth(1).unwrap().to_owned();
    Some((path, serde_json::from_slice(&read[head..]).unwrap()))
}

/// No answer may take longer than this of the scenario's time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
