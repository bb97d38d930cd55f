//! A `gavel clickhouse` process for one test, and an HTTP client that shows every byte.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// No wait in these tests is longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    stdin: Option<ChildStdin>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body arrived to its end.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body of an answer that must be good.
    #[track_caller]
    pub(crate) fn ok(&self) -> String {
        assert!(
            self.status == 200 && self.whole,
            "{} {}",
            self.status,
            self.text()
        );
        self.text()
    }
}

pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

pub(crate) fn bytes(body: impl Into<Bytes>) -> Body {
    Full::new(body.into())
        .map_err(|never| match never {})
        .boxed()
}

impl Server {
    /// Starts the binary on `data`; `None` without the engine.
    pub(crate) fn start(data: &Path) -> Option<Self> {
        Self::start_with(data, &[])
    }

    pub(crate) fn start_with(data: &Path, arguments: &[&str]) -> Option<Self> {
        let mut child = command(data, arguments)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdin = child.stdin.take();
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .strip_prefix("ready http://")
            .unwrap_or_else(|| {
                panic!("instead of `ready`: {line:?}, {:?}", child.wait());
            });
        Some(Self {
            address: address.parse().expect("an address"),
            child,
            stdin,
        })
    }

    /// Sends a request on a connection of its own; an error is a connection that broke before the
    /// answer's head.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        send(self.address, method, target, headers, body).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let sent = self.try_send(method, target, headers, bytes(body));
        tokio::time::timeout(PATIENCE, sent)
            .await
            .expect("an answer in time")
            .expect("an answer")
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(Method::GET, target, &[], "").await
    }

    pub(crate) async fn post(&self, target: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, target, &[], body).await
    }

    /// Runs a statement that must go well.
    #[track_caller]
    pub(crate) fn run(&self, sql: &str) -> impl Future<Output = String> {
        let sql = sql.to_owned();
        async move { self.post("/", sql).await.ok() }
    }

    /// Asks until the answer is `expected`.
    pub(crate) async fn wait_for(&self, sql: &str, expected: &str) {
        self.wait_for_at("/", sql, expected).await;
    }

    /// The same at a target that says who asks.
    pub(crate) async fn wait_for_at(&self, target: &str, sql: &str, expected: &str) {
        let mut last = String::new();
        let asking = async {
            loop {
                last = self.post(target, sql.to_owned()).await.ok();
                if last.trim_end() == expected {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, asking).await.is_err() {
            panic!("{sql} stayed at {last:?} instead of {expected:?}");
        }
    }

    /// The most memory the process has had, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("a running process");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .expect("VmHWM");
        line.split_ascii_whitespace()
            .nth(1)
            .expect("a number")
            .parse()
            .expect("a number")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9, and wait until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    /// SIGTERM, and its exit status.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.expect("a pid"), rustix::process::Signal::TERM)
            .expect("our own child");
        self.child.wait().expect("our own child")
    }

    /// Closes its standard input, as the death of a parent does, and waits.
    pub(crate) fn orphan(mut self) -> ExitStatus {
        drop(self.stdin.take());
        self.child.wait().expect("our own child")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that failed in the middle; one that ended has waited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `gavel clickhouse` on a free port of loopback; `None` without the engine.
pub(crate) fn command(data: &Path, arguments: &[&str]) -> Option<Command> {
    let library = crate::library::library()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_gavel"));
    command
        .args(["clickhouse", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(arguments)
        .env("GAVEL_LIBCHDB", library)
        .env("GAVEL_LOG", "warn");
    Some(command)
}

pub(crate) async fn send(
    address: SocketAddr,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "engine");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if hyper::body::Body::size_hint(&body).exact() == Some(0) {
        request = request.header("content-length", "0");
    }
    let request = request.body(body)?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let (head, mut incoming) = response.into_parts();
        let mut body = Vec::new();
        let whole = loop {
            match incoming.frame().await {
                None => break true,
                Some(Err(_)) => break false,
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        body.extend_from_slice(data);
                    }
                }
            }
        };
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        Ok(Answer {
            status: head.status.as_u16(),
            headers,
            body,
            whole,
        })
    };
    let mut exchange = std::pin::pin!(exchange);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        answer = &mut exchange => answer,
        _ = &mut connection => exchange.await,
    }
}

/// Percent-encodes a statement for a URL.
pub(crate) fn encoded(sql: &str) -> String {
    sql.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
