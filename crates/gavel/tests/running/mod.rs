//! `gavel serve` on the shipped catalog, its sandbox buyers beside it and its own engine below it, as
//! processes that end with their test.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests of processes, which fail by panicking"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use servers::Port;

const GAVEL: &str = env!("CARGO_BIN_EXE_gavel");
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A child process that ends with its test.
pub(crate) struct Process {
    pub(crate) child: Child,
    ready: Value,
}

impl Process {
    /// Starts it and reads the line of JSON by which it says that it is ready.
    fn start(command: &mut Command, stderr: &Path) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(stderr).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("{error}: {line:?}: {}", fs::read_to_string(stderr).unwrap())
        });
        Self { child, ready }
    }

    /// Closes its standard input, by which it ends in order.
    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// The service and its buyers.
pub(crate) struct Running {
    pub(crate) serve: Process,
    sandbox: Process,
    _engine: Port,
    /// What the service keeps and prints, and nothing else.
    pub(crate) home: tempfile::TempDir,
    /// The buyers' journals and the configuration: others' affairs.
    pub(crate) outside: tempfile::TempDir,
}

impl Running {
    /// Starts both; `vars` goes into the catalog's variables, `config` before them, `more` behind the
    /// catalog, `log` is the level of the log.
    pub(crate) fn start(config: &str, vars: &str, more: &str, log: &str) -> Self {
        Self::start_on(config, vars, log, |shipped| format!("{shipped}\n{more}"))
    }

    /// The same on what is made of the shipped catalog.
    pub(crate) fn start_on(
        config: &str,
        vars: &str,
        log: &str,
        make: impl FnOnce(&str) -> String,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut sandbox = Command::new(GAVEL);
        sandbox
            .args(["sandbox", "--exit-with-stdin", "--journal"])
            .arg(outside.path());
        sandbox
            .arg("--profile")
            .arg(root.join("deploy/sandbox/steady.toml"));
        let sandbox = Process::start(&mut sandbox, &outside.path().join("stderr"));

        let engine = Port::hold().unwrap();
        let catalog = outside.path().join("catalog.toml");
        let shipped = fs::read_to_string(root.join("deploy/catalog/auto-us.toml")).unwrap();
        fs::write(&catalog, make(&shipped)).unwrap();
        let mut text = format!(
            "data_dir = {:?}\n[listen]\npublic = \"127.0.0.1:0\"\noperator = \"127.0.0.1:0\"\n[engine]\nlisten = \"{}\"\n{config}[catalog]\nfile = {catalog:?}\n[catalog.vars]\n{vars}",
            home.path().join("data"),
            engine.addr(),
        );
        for (number, buyer) in (1..).zip(sandbox.ready["buyers"].as_array().unwrap()) {
            let address = buyer["addr"].as_str().unwrap();
            writeln!(text, "sandbox_{number:02} = \"http://{address}\"").unwrap();
        }
        let file = outside.path().join("gavel.toml");
        fs::write(&file, text).unwrap();
        let serve = serve_at(&outside, &home, log);
        Self {
            serve,
            sandbox,
            _engine: engine,
            home,
            outside,
        }
    }

    /// Where something listens: `public`, `operator`.
    pub(crate) fn address(&self, name: &str) -> &str {
        self.serve.ready[name].as_str().unwrap()
    }

    /// Asks ClickHouse; whether it answered 200, and what.
    pub(crate) fn ask(&self, sql: &str) -> (bool, String) {
        let clickhouse = self.address("clickhouse").replace("http://", "");
        // In HTTP/1.0 a body of unknown length ends with its connection: no frames in between.
        let answer = request(&clickhouse, "POST / HTTP/1.0", sql);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.contains(" 200 "), body.to_owned())
    }

    /// Whether a query that returns one row with a 1 does so.
    pub(crate) fn holds(&self, sql: &str) -> bool {
        self.ask(&format!("{sql} FORMAT TSV")) == (true, "1\n".to_owned())
    }

    /// Waits until the service says that it is ready.
    pub(crate) fn until_ready(&self) {
        until("the service gets ready", || {
            request(self.address("operator"), "GET /readyz HTTP/1.1", "").contains("200 OK")
        });
    }

    /// Ends both in order; the folder of what the service kept lives on with what is returned.
    pub(crate) fn end(self) -> tempfile::TempDir {
        self.serve.end();
        self.sandbox.end();
        drop(self.outside);
        self.home
    }
}

/// The service by the configuration that is there.
pub(crate) fn serve_at(
    outside: &tempfile::TempDir,
    home: &tempfile::TempDir,
    log: &str,
) -> Process {
    let mut serve = Command::new(GAVEL);
    serve
        .env("GAVEL_LOG", log)
        .env("GAVEL_LOG_FORMAT", "json")
        .args(["serve", "--exit-with-stdin", "--config"])
        .arg(outside.path().join("gavel.toml"));
    Process::start(&mut serve, &home.path().join("stderr"))
}

/// One request on a connection of its own; the whole answer as text.
pub(crate) fn request(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head}\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what} does not come about");
        std::thread::sleep(Duration::from_millis(50));
    }
}
