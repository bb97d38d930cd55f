//! The bad inputs: what each sends to a route, and what has to come back.
//!
//! To add one: a line in the table, a function that sends it, a function that says which routes
//! take part and what they answer.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use httpd::Code;
use tokio::io::AsyncWriteExt;

use crate::doors::{Body, Door, Reader, Who};
use crate::wire::{Outcome, exchange, send, stream};

/// What has to come back.
#[derive(Debug, Clone)]
pub(crate) enum Expect {
    /// A problem with one of these codes.
    Problem(&'static [Code]),
    /// What is no HTTP: one of these statuses without a body, or a closed connection, or a problem.
    Framing(&'static [u16]),
    /// Anything but a failure of ours: it is odd, not wrong.
    Fine,
}

type Sent = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One bad input.
pub(crate) struct Input {
    pub(crate) name: &'static str,
    pub(crate) send: fn(SocketAddr, Door) -> Sent,
    /// None for a route that does not care.
    pub(crate) expect: fn(&Door) -> Option<Expect>,
}

macro_rules! inputs {
    ($($name:literal, $send:expr => $expect:expr;)*) => {
        /// All of them.
        pub(crate) const INPUTS: &[Input] = &[$(Input {
            name: $name,
            send: |to, door| Box::pin($send(to, door)),
            expect: $expect,
        },)*];
    };
}

const MALFORMED: Expect = Expect::Problem(&[Code::Malformed]);
const INVALID: Expect = Expect::Problem(&[Code::Malformed, Code::InvalidLead]);
const TOO_LARGE: Expect = Expect::Problem(&[Code::BodyTooLarge]);
const FRAMING: Expect = Expect::Framing(&[400]);
const LONG: Expect = Expect::Framing(&[400, 414, 431]);

inputs! {
    "a wrong method", |to, door| head(to, door, "DELETE", "") => |_| Some(Expect::Problem(&[Code::MethodNotAllowed]));
    "an unknown method", |to, door| head(to, door, "GAVEL", "") => |_| Some(Expect::Problem(&[Code::MethodNotAllowed]));
    "no key", |to, door: Door| plain(to, door, "") => keyed;
    "a wrong key", |to, door: Door| plain(to, door, "authorization: Bearer no-key-of-anybody\r\n") => keyed;
    "a key that is no text", |to, door: Door| plain(to, door, "authorization: Bearer \u{fe}\u{ff}\r\n") => keyed;
    "a key of another role", another_role => |door| {
        let roles = matches!(door.who, Who::Publisher | Who::Buyer | Who::Admin);
        roles.then_some(Expect::Problem(&[Code::Forbidden]))
    };
    "no body", |to, door| body(to, door, b"") => |door| json(door, MALFORMED);
    "broken JSON", |to, door| body(to, door, b"{\"lead\": {\"zip\": ") => |door| json(door, MALFORMED);
    "JSON and more", |to, door| body(to, door, b"{} {}") => |door| json(door, MALFORMED);
    "a list", |to, door| body(to, door, b"[1, 2]") => |door| json(door, MALFORMED);
    "null", |to, door| body(to, door, b"null") => |door| json(door, MALFORMED);
    "wrong types", |to, door| body(to, door, b"{\"lead\": 7, \"status\": [], \"reference\": {}, \"min_payout\": true}") => |door| json(door, INVALID);
    "unknown control members", |to, door| body(to, door, b"{\"lead\": {\"zip\": \"78701\"}, \"leed\": {}, \"status\": \"accepted\"}") => |door| json(door, INVALID);
    "numbers beyond all measure", |to, door| body(to, door, b"{\"lead\": {\"zip\": \"78701\", \"age\": 1e999, \"drivers\": -99999999999999999999}, \"status\": 1e400}") => |door| json(door, INVALID);
    "what is not UTF-8", |to, door| body(to, door, b"{\"lead\": {\"zip\": \"\xff\xfe\"}}") => |door| json(door, MALFORMED);
    "half a surrogate", |to, door| body(to, door, b"{\"lead\": {\"zip\": \"\\ud800\"}, \"status\": \"\\ud800\"}") => |door| json(door, MALFORMED);
    "deep nesting", deep => |door| json(door, MALFORMED);
    "a member twice", |to, door| body(to, door, b"{\"lead\": {}, \"status\": \"accepted\", \"lead\": {}, \"status\": \"rejected\"}") => |door| json(door, MALFORMED);
    "a thousand members", many => |door| json(door, INVALID);
    "another media type", xml => |door| (door.body != Body::Nothing).then_some(Expect::Problem(&[Code::UnsupportedMediaType]));
    "100 MB announced", |to, door| announced(to, door, 100 << 20) => |door| reads(door, TOO_LARGE);
    "100 MB in chunks", chunks => |door| reads(door, TOO_LARGE);
    "a length beyond all numbers", |to, door| framed(to, door, "content-length: 99999999999999999999999\r\n", "") => |_| Some(FRAMING);
    "a slow body", slow => |door| reads(door, Expect::Problem(&[Code::BodyTooSlow]));
    "a body that stops", |to, door| announced(to, door, 100) => |door| reads(door, Expect::Problem(&[Code::BodyTooSlow]));
    "a body cut off", cut => |door| reads(door, Expect::Framing(&[400]));
    "chunks that are none", |to, door| framed(to, door, "transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n") => |door| reads(door, Expect::Framing(&[400]));
    "two lengths", |to, door| framed(to, door, "content-length: 2\r\ncontent-length: 3\r\n", "{}x") => |_| Some(FRAMING);
    "a length and chunks", |to, door| framed(to, door, "content-length: 2\r\ntransfer-encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n") => |_| Some(Expect::Fine);
    "a transfer coding nobody knows", |to, door| framed(to, door, "transfer-encoding: gavel\r\n", "{}") => |_| Some(FRAMING);
    "a slow head", slow_head => |_| Some(Expect::Framing(&[408]));
    "a huge header", |to, door: Door| huge_header(to, door) => |_| Some(LONG);
    "a thousand headers", |to, door: Door| thousand_headers(to, door) => |_| Some(LONG);
    "a header without a name", |to, door: Door| plain(to, door, ": no name\r\n") => |_| Some(FRAMING);
    "a long query", |to, door: Door| query(to, door, "a=b&".repeat(5_000)) => |_| Some(Expect::Fine);
    "a longer path", |to, door: Door| query(to, door, "x".repeat(70_000)) => |_| Some(LONG);
    "a query that is not UTF-8", |to, door: Door| query(to, door, "%ff=%fe&key=%ff&=&&%&%zz") => |_| Some(Expect::Fine);
    "raw bytes in the path", raw_path => |_| Some(FRAMING);
    "an absolute target", absolute => |_| Some(Expect::Fine);
    "a path with dots", |to, door| target(to, door, "/../../etc/passwd") => |door| program(door);
    "a path with slashes at its end", |to, door: Door| { let path = format!("{}//", door.path); target(to, door, path) } => |_| Some(Expect::Problem(&[Code::NotFound]));
    "an asterisk", |to, door| target(to, door, "*") => |_| Some(Expect::Fine);
    "a name that is not one", strange_name => |door| (door.named && door.who != Who::Anybody).then_some(
        Expect::Problem(&[Code::NotFound, Code::Malformed, Code::InvalidLead])
    );
    "another protocol", |to, _| send(to, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()) => |_| Some(FRAMING);
    "no protocol at all", |to, _| send(to, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()) => |_| Some(FRAMING);
    "nothing but a line", |to, _| send(to, b"\r\n\r\n\r\n\r\n".to_vec()) => |_| Some(Expect::Framing(&[400, 408]));
    "a key of the request that is no text", |to, door: Door| plain(to, door, "idempotency-key: \u{1F600}\r\n") => |door| json(door, MALFORMED);
    "a key of the request that is too long", |to, door: Door| { let key = format!("idempotency-key: {}\r\n", "k".repeat(256)); plain(to, door, key) } => |door| {
        (door.who == Who::Publisher).then_some(()).and_then(|()| json(door, INVALID))
    };
}

fn keyed(door: &Door) -> Option<Expect> {
    matches!(door.who, Who::Publisher | Who::Buyer | Who::Admin)
        .then_some(Expect::Problem(&[Code::Unauthorized]))
}

fn json(door: &Door, expect: Expect) -> Option<Expect> {
    (door.body == Body::Json).then_some(expect)
}

fn reads(door: &Door, expect: Expect) -> Option<Expect> {
    (door.body != Body::Nothing).then_some(expect)
}

fn program(door: &Door) -> Option<Expect> {
    (door.reader == Reader::Program)
        .then_some(Expect::Problem(&[Code::NotFound, Code::MethodNotAllowed]))
}

/// A request line and the usual headers.
fn opening(method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: gavel\r\nconnection: close\r\n{more}")
}

async fn head(to: SocketAddr, door: Door, method: &str, more: &str) -> Outcome {
    let more = format!("{}{more}\r\n", door.key());
    send(to, opening(method, &door.path, &more).into_bytes()).await
}

/// An empty object where a body is read, with these headers instead of the key.
async fn plain(to: SocketAddr, door: Door, headers: impl Into<String>) -> Outcome {
    let headers = headers.into();
    let (body, key) = match door.body {
        Body::Json | Body::Toml => ("{}", door.key()),
        _ => ("", door.key()),
    };
    let key = if headers.starts_with("authorization") || headers.is_empty() {
        ""
    } else {
        key
    };
    let more = format!(
        "{key}{headers}content-type: {}\r\ncontent-length: {}\r\n\r\n{body}",
        door.media(),
        body.len(),
    );
    send(to, opening(door.method, &door.path, &more).into_bytes()).await
}

async fn another_role(to: SocketAddr, door: Door) -> Outcome {
    let other = match door.who {
        Who::Publisher => Who::Buyer,
        _ => Who::Publisher,
    };
    let key = Door {
        who: other,
        ..door.clone()
    }
    .key();
    plain(to, door, key).await
}

async fn body(to: SocketAddr, door: Door, body: &[u8]) -> Outcome {
    let more = format!(
        "{}content-type: {}\r\ncontent-length: {}\r\n\r\n",
        door.key(),
        door.media(),
        body.len(),
    );
    let mut bytes = opening(door.method, &door.path, &more).into_bytes();
    bytes.extend_from_slice(body);
    send(to, bytes).await
}

async fn deep(to: SocketAddr, door: Door) -> Outcome {
    let nested = format!("{{\"lead\": {}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    body(to, door, nested.as_bytes()).await
}

async fn many(to: SocketAddr, door: Door) -> Outcome {
    let members: Vec<String> = (0..1_000).map(|at| format!("\"m{at}\": {at}")).collect();
    body(to, door, format!("{{{}}}", members.join(",")).as_bytes()).await
}

async fn xml(to: SocketAddr, door: Door) -> Outcome {
    let more = format!(
        "{}content-type: text/csv\r\ncontent-length: 3\r\n\r\na,b",
        door.key()
    );
    send(to, opening(door.method, &door.path, &more).into_bytes()).await
}

fn posting(door: &Door, framing: &str) -> String {
    let more = format!(
        "{}content-type: {}\r\n{framing}\r\n",
        door.key(),
        door.media()
    );
    opening(door.method, &door.path, &more)
}

/// Announces so much, and sends ten bytes of it.
async fn announced(to: SocketAddr, door: Door, length: usize) -> Outcome {
    let head = posting(&door, &format!("content-length: {length}\r\n"));
    send(to, format!("{head}          ").into_bytes()).await
}

async fn framed(to: SocketAddr, door: Door, framing: &str, rest: &str) -> Outcome {
    send(
        to,
        format!("{}{rest}", posting(&door, framing)).into_bytes(),
    )
    .await
}

async fn chunks(to: SocketAddr, door: Door) -> Outcome {
    let head = posting(&door, "transfer-encoding: chunked\r\n");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    stream(to, head, chunk.into_bytes(), Duration::ZERO, 100 << 20).await
}

async fn slow(to: SocketAddr, door: Door) -> Outcome {
    let head = posting(&door, "content-length: 1000\r\n");
    stream(to, head, b" ".to_vec(), Duration::from_millis(50), 1_000).await
}

async fn slow_head(to: SocketAddr, door: Door) -> Outcome {
    let head = format!("{} {} HTTP/1.1\r\nx: ", door.method, door.path);
    stream(to, head, b"y".to_vec(), Duration::from_millis(50), 1_000).await
}

async fn cut(to: SocketAddr, door: Door) -> Outcome {
    let head = posting(&door, "transfer-encoding: chunked\r\n");
    exchange(to, async move |stream| {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(b"9\r\n{\"le").await?;
        stream.shutdown().await
    })
    .await
}

async fn huge_header(to: SocketAddr, door: Door) -> Outcome {
    plain(to, door, format!("x-huge: {}\r\n", "x".repeat(80_000))).await
}

async fn thousand_headers(to: SocketAddr, door: Door) -> Outcome {
    plain(to, door, "x: y\r\n".repeat(1_000)).await
}

async fn query(to: SocketAddr, mut door: Door, query: impl Into<String>) -> Outcome {
    let query = query.into();
    door.path = format!("{}?{query}", door.path);
    plain_with_key(to, door).await
}

async fn target(to: SocketAddr, mut door: Door, target: impl Into<String>) -> Outcome {
    door.path = target.into();
    plain_with_key(to, door).await
}

async fn plain_with_key(to: SocketAddr, door: Door) -> Outcome {
    plain(to, door, "x: y\r\n").await
}

async fn absolute(to: SocketAddr, mut door: Door) -> Outcome {
    door.path = format!("http://elsewhere.example{}", door.path);
    plain_with_key(to, door).await
}

async fn raw_path(to: SocketAddr, door: Door) -> Outcome {
    let mut bytes = format!("{} {}", door.method, door.path).into_bytes();
    bytes.extend_from_slice(b"\xff\x00 HTTP/1.1\r\nhost: gavel\r\nconnection: close\r\n\r\n");
    send(to, bytes).await
}

/// Every name in the path replaced by one that nobody has.
async fn strange_name(to: SocketAddr, mut door: Door) -> Outcome {
    let strange = |segment: &str| {
        let name = segment.contains(['_', '-']) || segment == "1";
        if name {
            "%00%f0..;x".to_owned()
        } else {
            segment.to_owned()
        }
    };
    let segments: Vec<String> = door.path.split('/').map(strange).collect();
    door.path = segments.join("/");
    plain_with_key(to, door).await
}
