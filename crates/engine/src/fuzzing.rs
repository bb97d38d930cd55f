//! What crate `fuzz` tries on statements, connections, requests and blocks.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::multipart::{Event, Form};
use crate::native::Native;
use crate::request::{Access, Query};
use crate::statement::{Head, head, output_format};
use crate::target;

/// What clickhouse-go asks for.
const REVISION: u64 = 54_460;

/// Reads the head of a text that is still arriving, a piece more each time: what was said of less
/// of it stays said, and rows begin inside of it.
///
/// # Panics
/// A promise is broken.
pub fn statement(text: &[u8]) {
    let whole = head(text, true);
    assert_ne!(whole, Head::Incomplete, "the whole text is not enough");
    let _ = output_format(text);
    let step = (text.len() / 16).max(1);
    for end in (0..text.len()).step_by(step) {
        let said = head(text.get(..end).unwrap_or_default(), false);
        if let Head::Insert(insert) = &said {
            assert!(insert.data <= end, "rows begin beyond what has arrived");
        }
        if said != Head::Incomplete {
            assert_eq!(said, whole, "said after {end} of {} bytes", text.len());
            return;
        }
    }
}

/// Reads the head of a request, and the form that its body is if it says so: the first line is the query
/// of its URL, then come headers, an empty line, and the body.
///
/// # Panics
/// A promise is broken.
pub fn request(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let url = lines.next().unwrap_or_default();
    let rest = lines.next().unwrap_or_default();
    let end = rest.windows(2).position(|two| two == b"\n\n");
    let (head, body) = rest.split_at(end.unwrap_or(rest.len()));
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    let url = std::str::from_utf8(url).ok();
    for method in [Method::GET, Method::POST] {
        let read = || Query::parse(&method, url, &headers).ok();
        let Some(query) = read() else { continue };
        assert_eq!(
            Some(&query),
            read().as_ref(),
            "the same head, another query"
        );
        let reads = method != Method::GET || query.access >= Access::Reads;
        assert!(reads, "a GET that writes");
        if let Some(boundary) = &query.form {
            form(body, boundary);
        }
    }
}

/// Reads a form in pieces, each a byte longer than the one before. What is no form is refused.
fn form(body: &[u8], boundary: &str) {
    let mut form = Form::new(boundary);
    let mut rest = body;
    let mut given = 0;
    loop {
        match form.next() {
            Ok(Event::More) if rest.is_empty() => return,
            Ok(Event::More) => {
                given += 1;
                let (piece, later) = rest.split_at(given.min(rest.len()));
                form.feed(piece);
                rest = later;
            }
            Ok(Event::Data(data)) => assert!(!data.is_empty(), "data that is none"),
            Ok(Event::Over) | Err(_) => return,
            Ok(Event::Part { .. } | Event::Ended) => {}
        }
    }
}

/// Follows the requests of a connection, whole and in pieces that are each a byte longer than the one before: the same
/// goes on, and nothing of it is gone but the queries that were parted. Each of the first zeros stands for a long text.
///
/// # Panics
/// A promise is broken.
pub fn connection(bytes: &[u8]) {
    const LONG: usize = 66_000;
    const MOST: usize = 3 * LONG;
    let mut came = Vec::new();
    for byte in bytes {
        match byte {
            0 if came.len() < MOST => came.resize(came.len() + LONG, b'q'),
            byte => came.push(*byte),
        }
    }
    let (whole, parted) = target::parts(&came, []);
    let pieced = target::parts(&came, 1..came.len());
    assert_eq!(
        (&whole, &parted),
        (&pieced.0, &pieced.1),
        "it is the pieces that matter"
    );
    let gone: usize = parted.iter().map(|(_, length)| length + 1).sum();
    assert_eq!(whole.len() + gone, came.len(), "something else is gone");
}

/// Puts blocks into the form of a revision, whole and in pieces that are each a byte longer than the one before:
/// what comes out is the same, as far as it is in the right form. Of a whole result it is the same bytes, with
/// what the form asks for between them.
///
/// # Panics
/// A promise is broken.
#[expect(
    clippy::expect_used,
    reason = "a broken promise ends the run that found it"
)]
pub fn native(bytes: &[u8]) {
    let mut whole = Vec::new();
    let mut reframe = Native::new(REVISION, Vec::new()).expect("a revision that is spoken");
    let read = reframe.feed(bytes, &mut whole);
    let mut pieced = Vec::new();
    let mut pieces = Native::new(REVISION, Vec::new()).expect("a revision that is spoken");
    let mut rest = bytes;
    let mut length = 0;
    let mut fed = Ok(());
    while fed.is_ok() && !rest.is_empty() {
        length += 1;
        let (piece, later) = rest.split_at(length.min(rest.len()));
        fed = pieces.feed(piece, &mut pieced);
        rest = later;
    }
    assert_eq!(
        read.is_ok(),
        fed.is_ok(),
        "{read:?} whole, {fed:?} in pieces"
    );
    if read.is_ok() {
        assert_eq!(whole, pieced, "it is the pieces that matter");
        assert_eq!(
            reframe.ended(),
            pieces.ended(),
            "it is whole, and it is not"
        );
    }
    if read.is_ok() && reframe.ended().is_ok() {
        let mut bytes = bytes.iter().peekable();
        for byte in &whole {
            bytes.next_if(|next| *next == byte);
        }
        assert_eq!(bytes.next(), None, "something of the result is gone");
    }
}
