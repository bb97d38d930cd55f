//! `gavel serve` on the shipped catalog, with short limits and without ClickHouse: nothing that
//! clients do depends on it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

pub(crate) struct Service {
    child: Child,
    ready: Value,
    home: tempfile::TempDir,
}

impl Service {
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let catalog =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/catalog/auto-us.toml");
        let config = format!(
            "data_dir = {:?}\n[listen]\npublic = \"127.0.0.1:0\"\noperator = \"127.0.0.1:0\"\n\
             [clickhouse]\nurl = \"http://127.0.0.1:1\"\n\
             [limits]\nread_timeout = \"1s\"\n[admin]\nkeys = [\"border-test-admin-key\"]\n\
             [catalog]\nfile = {catalog:?}\n",
            home.path().join("data"),
        );
        let path = home.path().join("gavel.toml");
        fs::write(&path, config).unwrap();
        let log = home.path().join("log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_gavel"))
            .env("GAVEL_LOG_FORMAT", "json")
            .args(["serve", "--exit-with-stdin", "--config"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("{error}: {line:?}: {}", fs::read_to_string(&log).unwrap())
        });
        Self { child, ready, home }
    }

    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        self.ready[listener].as_str().unwrap().parse().unwrap()
    }

    /// What is wrong after it all: panics counted, lines of the log that say so or do not read, an
    /// end that is not in order.
    pub(crate) fn complaints(mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        let metrics = self.metrics();
        let panics = metrics
            .lines()
            .filter(|line| line.starts_with("gavel_http_panics_total{") && !line.ends_with(" 0"));
        wrong.extend(panics.map(str::to_owned));
        drop(self.child.stdin.take());
        let end = self.child.wait().unwrap();
        if !end.success() {
            wrong.push(format!("it ended with {end}"));
        }
        let log = fs::read_to_string(self.home.path().join("log")).unwrap();
        for line in log.lines() {
            match serde_json::from_str::<Value>(line) {
                Err(_) => wrong.push(format!("a line of the log is no JSON: {line}")),
                Ok(event) if !stable(&event) => {
                    wrong.push(format!("a line of the log lacks a field: {line}"));
                }
                Ok(event) if !expected(&event) => wrong.push(format!("logged: {line}")),
                Ok(_) => {}
            }
        }
        wrong
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.address("operator")).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// The fields that every line has.
fn stable(event: &Value) -> bool {
    ["timestamp", "level", "target", "message"]
        .iter()
        .all(|field| event[field].is_string())
}

/// Bad input is no news for an operator. That ClickHouse is away is, and the worker says so.
fn expected(event: &Value) -> bool {
    let (level, target) = (event["level"].as_str(), event["target"].as_str());
    match level {
        Some("ERROR" | "WARN") => target.is_some_and(|target| target.starts_with("worker")),
        _ => true,
    }
}
