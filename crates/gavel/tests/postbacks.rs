//! Publishers are told of their conversions by the real service, which is killed with -9 while they
//! refuse: in the end each was told the last state of each, signed, and no id had two bodies.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test of processes, which fails by panicking"
)]

mod library;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use servers::Port;

const PATIENCE: Duration = Duration::from_secs(90);
/// As the catalog below has it.
const TOKEN: &str = "a-postback-token-1";
const CONVERSIONS: usize = 24;

/// One publisher takes notices by GET and signed, one by form, and one is never there.
const CATALOG: &str = r#"
[schemas.s]
zip = { type = "zip", ping = "required" }

[publishers.query]
postback = { url = "http://@ADDRESS@/query?cid={click_id}&sub={s1}&status={status}&payout={payout}{currency}&txid={txid}&id={notice_id}", secret = "a-secret-of-the-publisher" }

[publishers.form]
postback = { url = "http://@ADDRESS@/form?cid={click_id}&sub={s1}&status={status}&payout={payout}{currency}&txid={txid}&id={notice_id}", method = "post" }

[publishers.gone]
postback = { url = "http://127.0.0.1:1/?status={status}" }

[campaigns.camp]
schema = "s"
postback_tokens = ["a-postback-token-1"]
publishers = { query = { margin = "20%" } }
goals = { bound = { payout = "2.50" } }

[offers.off]
campaign = "camp"
landing_pages = ["https://land.example/a"]

[links.link-query]
publisher = "query"
offer = "off"
destination = "https://land.example/a?c={click_id}"

[links.link-form]
publisher = "form"
offer = "off"
destination = "https://land.example/a?c={click_id}"

[links.link-gone]
publisher = "gone"
offer = "off"
destination = "https://land.example/a?c={click_id}"
"#;

/// A publisher's server.
#[derive(Clone)]
struct Publisher {
    address: String,
    /// Whether it takes what comes.
    takes: Arc<AtomicBool>,
    /// Requests as they came: head, and body.
    heard: Arc<Mutex<Vec<(String, String)>>>,
}

impl Publisher {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let publisher = Self {
            address: listener.local_addr().unwrap().to_string(),
            takes: Arc::default(),
            heard: Arc::default(),
        };
        let serving = publisher.clone();
        std::thread::Builder::new()
            .spawn(move || {
                for stream in listener.incoming() {
                    let publisher = serving.clone();
                    let serve = move || publisher.serve(stream.unwrap());
                    std::thread::Builder::new().spawn(serve).unwrap();
                }
            })
            .unwrap();
        publisher
    }

    /// Answers one request and closes. Whoever dies meanwhile is no news.
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(&stream);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(sent) = line.strip_prefix("content-length: ") {
                length = sent.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let takes = self.takes.load(Ordering::SeqCst);
        let status = if takes { "200 OK" } else { "503 Not Now" };
        self.heard
            .lock()
            .unwrap()
            .push((head, String::from_utf8(body).unwrap()));
        let _ = write!(
            &stream,
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
    }

    /// By click id, what was told last. On the way: an id has one body and stands in the header, and
    /// whatever should be signed is.
    fn told(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let (mut bodies, mut last) = (BTreeMap::new(), BTreeMap::new());
        for (head, body) in self.heard.lock().unwrap().iter() {
            let target = head.split(' ').nth(1).unwrap();
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let parameters = match path {
                "/query" => {
                    assert!(head.starts_with("GET ") && body.is_empty());
                    let (signed, signature) = query.rsplit_once("&sig=").unwrap();
                    assert_eq!(signature, sign("a-secret-of-the-publisher", signed));
                    let (parameters, sent_at) = signed.rsplit_once("&sent_at=").unwrap();
                    assert!(sent_at.parse::<u64>().unwrap() > 1_700_000_000);
                    parameters
                }
                "/form" => {
                    assert!(head.starts_with("POST ") && query.is_empty());
                    body.as_str()
                }
                other => panic!("{other}"),
            };
            let parsed: BTreeMap<String, String> = parameters
                .split('&')
                .map(|pair| pair.split_once('=').unwrap())
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let id = parsed["id"].clone();
            assert!(
                head.contains(&format!("idempotency-key: {id}\r\n")),
                "{head}"
            );
            let known = bodies.entry(id).or_insert(parameters.to_owned());
            assert_eq!(known, parameters, "an id has one body");
            last.insert(parsed["cid"].clone(), parsed);
        }
        last
    }
}

/// HMAC-SHA-256, by another hand: openssl's is not everywhere.
fn sign(key: &str, text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let pad = |with: u8| {
        let mut block = [with; 64];
        for (at, byte) in key.bytes().enumerate() {
            block[at] ^= byte;
        }
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text);
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner.finalize());
    data_encoding::HEXLOWER.encode(&outer.finalize())
}

struct Service {
    child: Child,
    ready: Value,
}

impl Service {
    fn start(home: &Path) -> Self {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(home.join("log"))
            .unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_gavel"))
            .args(["serve", "--exit-with-stdin", "--config"])
            .arg(home.join("gavel.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| {
            let log = fs::read_to_string(home.join("log")).unwrap();
            panic!("{error}: {line:?}: {log}")
        });
        Self { child, ready }
    }

    fn get(&self, path: &str) -> String {
        let address = self.ready["public"].as_str().unwrap();
        get(address, path).unwrap()
    }

    /// The result of a query, as text; empty while the engine starts.
    fn query(&self, sql: &str) -> String {
        let address = self.ready["clickhouse"].as_str().unwrap();
        let address = address.strip_prefix("http://").unwrap();
        let answer = get(address, &format!("/?query={}", sql.replace(' ', "+")));
        let answer = answer.unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        body.unwrap_or_default().to_owned()
    }

    /// A click of a link; its id.
    fn click(&self, link: &str, sub: usize) -> String {
        let answer = self.get(&format!("/c/{link}?s1=sub{sub}"));
        let (_, id) = answer
            .split_once("/a?c=")
            .unwrap_or_else(|| panic!("{answer}"));
        id.split_whitespace().next().unwrap().to_owned()
    }

    fn report(&self, click: &str, order: usize, status: &str) {
        let path = format!(
            "/postback?campaign=camp&token={TOKEN}&click_id={click}&goal=bound&txid=o{order}&amount=99&currency=USD&status={status}"
        );
        let mut answer = String::new();
        // While the disk is slow it is to be sent again.
        until("a report is taken", || {
            answer = self.get(&path);
            !answer.starts_with("HTTP/1.1 503")
        });
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what} does not come about");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn each_publisher_is_told_the_last_state_of_each_conversion_whatever_dies() {
    let Some(library) = library::library() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let publisher = Publisher::start();
    let catalog = CATALOG.replace("@ADDRESS@", &publisher.address);
    fs::write(home.path().join("catalog.toml"), catalog).unwrap();
    let port = Port::hold().unwrap();
    let engine = port.addr();
    let config = format!(
        "data_dir = {:?}\n[listen]\npublic = \"127.0.0.1:0\"\noperator = \"127.0.0.1:0\"\n\
         [engine]\nlisten = \"{engine}\"\nlib = {library:?}\n\
         [admin]\nkeys = [\"a-test-admin-key-1\"]\n[catalog]\nfile = \"catalog.toml\"\n",
        home.path().join("data"),
    );
    fs::write(home.path().join("gavel.toml"), config).unwrap();

    let service = Service::start(home.path());
    let click = |order: usize| {
        let link = ["link-query", "link-form", "link-gone"][order % 3];
        service.click(link, order)
    };
    let clicks: Vec<String> = (0..CONVERSIONS).map(click).collect();
    for (order, click) in clicks.iter().enumerate() {
        service.report(click, order, "pending");
    }
    until("a first attempt at each", || {
        publisher.told().len() == CONVERSIONS * 2 / 3
    });
    // Who is never there has an entry too; a state that nobody wrote down before the next one is skipped.
    until("an entry for each", || {
        let pending = "SELECT count() FROM v_postbacks WHERE status = 'pending'";
        service.query(pending).trim() == CONVERSIONS.to_string()
    });
    let mut killed = service;
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();

    publisher.takes.store(true, Ordering::SeqCst);
    let service = Service::start(home.path());
    let status = |order: usize| {
        if order.is_multiple_of(2) {
            "approved"
        } else {
            "rejected"
        }
    };
    for (order, click) in clicks.iter().enumerate() {
        service.report(click, order, status(order));
    }
    let mut killed = service;
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();

    let mut service = Service::start(home.path());
    let waiting = "SELECT countIf(state = 'waiting') AS waiting, countIf(state = 'told') AS told, \
                   countIf(publisher = 'gone') AS gone FROM v_postbacks FORMAT JSONEachRow";
    let all = format!(
        "{{\"waiting\":{gone},\"told\":{told},\"gone\":{gone}}}",
        gone = CONVERSIONS / 3,
        told = CONVERSIONS * 2 / 3,
    );
    until("everybody who is there is told", || {
        let now = service.query(waiting);
        let now = now.replace('"', "").replace("\n", "");
        let settled = now == all.replace('"', "");
        let statuses = "SELECT count() FROM v_postbacks WHERE status = 'pending'";
        settled && service.query(statuses).trim() == "0"
    });
    let told = publisher.told();
    for (order, click) in clicks
        .iter()
        .enumerate()
        .filter(|(order, _)| order % 3 != 2)
    {
        let said = &told[click];
        let payout = if order.is_multiple_of(2) {
            "2.50USD"
        } else {
            "0.00USD"
        };
        let expected = [
            ("status", status(order)),
            ("payout", payout),
            ("sub", &format!("sub{order}")),
            ("txid", &format!("o{order}")),
        ];
        for (name, value) in expected {
            assert_eq!(said[name], value, "{said:?}");
        }
    }
    let first = "SELECT min(notices), max(notices) FROM v_postbacks FORMAT TSV";
    assert_eq!(service.query(first).trim(), "2\t2", "two states each");
    drop(service.child.stdin.take());
    assert!(service.child.wait().unwrap().success());
}
