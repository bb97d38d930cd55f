//! URLs of a mebibyte, as a server takes them, where the HTTP library takes 64 KiB: on its way in a longer one is
//! parted from its query, which waits beside the connection until its request is answered.
//!
//! That needs to know where on a connection requests begin, so their bodies are followed to their ends, in the way in
//! which the library will read them. What it would refuse it gets to see as it is.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::{Extensions, Uri};
use tokio::io::{AsyncRead, ReadBuf};

/// What the library takes of a URL.
const SHORT: usize = u16::MAX as usize - 1;
/// What a server takes of one, and a first line with it.
const LONG: usize = 1 << 20;
const LONGEST: usize = LONG + 64;
/// Of a header's line, more than those have that say how long a body is.
const FIELD: usize = 256;

/// The queries that were parted from their URLs, each with the number of its request.
#[derive(Clone, Default)]
pub(crate) struct Queries(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    queries: VecDeque<(u64, LongQuery)>,
    answered: u64,
}

/// The query of a URL that was too long; an extension of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LongQuery(String);

impl Queries {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // What a panic leaves is whole: it is changed in single steps.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called once for each request, in their order.
    pub(crate) fn join(&self, extensions: &mut Extensions) {
        let mut waiting = self.waiting();
        let number = waiting.answered;
        waiting.answered += 1;
        if let Some((_, query)) = waiting.queries.pop_front_if(|(of, _)| *of == number) {
            extensions.insert(query);
        }
    }
}

/// The query of a request, however long.
pub(crate) fn query<'a>(uri: &'a Uri, extensions: &'a Extensions) -> Option<&'a str> {
    match extensions.get::<LongQuery>() {
        Some(LongQuery(query)) => Some(query),
        None => uri.query(),
    }
}

/// What a connection's library reads.
pub(crate) struct Targets<S> {
    stream: S,
    requests: Requests,
    /// To be read before anything else.
    ready: BytesMut,
}

impl<S> Targets<S> {
    pub(crate) fn new(stream: S, queries: Queries) -> Self {
        Self {
            stream,
            requests: Requests::new(queries),
            ready: BytesMut::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Targets<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self {
            stream,
            requests,
            ready,
        } = &mut *self;
        while ready.is_empty() {
            let before = into.filled().len();
            ready!(Pin::new(&mut *stream).poll_read(context, into))?;
            let came = into.filled().get(before..).unwrap_or_default();
            if came.is_empty() {
                requests.end(ready);
                break;
            }
            if requests.skip(came.len()) {
                return Poll::Ready(Ok(()));
            }
            requests.follow(came, ready);
            into.set_filled(before);
        }
        let most = ready.len().min(into.remaining());
        into.put_slice(&ready.split_to(most));
        Poll::Ready(Ok(()))
    }
}

/// The requests of a connection.
pub(crate) struct Requests {
    queries: Queries,
    number: u64,
    at: At,
    /// What came of the line that is being read: of the first one all, of others their beginning.
    line: Vec<u8>,
}

/// Where in a request the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// In its first line, or ahead of it.
    Line,
    Headers(Length),
    /// In its body, or in one chunk of it, of which so much is to come.
    Body(u64, Then),
    /// In the line with a chunk's size.
    Size,
    Trailers,
    /// The library will not get beyond it.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Known(u64),
    Chunked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Request,
    Chunk,
}

impl Requests {
    fn new(queries: Queries) -> Self {
        Self {
            queries,
            number: 0,
            at: At::Line,
            line: Vec::new(),
        }
    }

    /// Whether so many bytes are all of a body: then they go on as they are.
    fn skip(&mut self, bytes: usize) -> bool {
        match &mut self.at {
            At::Lost => true,
            At::Body(left, _) if *left > bytes as u64 => {
                *left -= bytes as u64;
                true
            }
            _ => false,
        }
    }

    /// Nothing more comes: what was held back goes on.
    fn end(&mut self, on: &mut BytesMut) {
        if self.at == At::Line {
            on.extend_from_slice(&mem::take(&mut self.line));
        }
    }

    /// Takes what came; what is to go on is put behind `on`.
    fn follow(&mut self, mut came: &[u8], on: &mut BytesMut) {
        while !came.is_empty() {
            let (part, rest) = match self.at {
                At::Lost => (came, &[][..]),
                At::Body(left, _) => {
                    let most = usize::try_from(left).unwrap_or(usize::MAX);
                    came.split_at(most.min(came.len()))
                }
                _ => {
                    let end = came.iter().position(|byte| *byte == b'\n');
                    came.split_at(end.map_or(came.len(), |end| end + 1))
                }
            };
            came = rest;
            match self.at {
                At::Lost => on.extend_from_slice(part),
                At::Body(left, then) => {
                    on.extend_from_slice(part);
                    self.at = match (left - part.len() as u64, then) {
                        (0, Then::Request) => self.next(),
                        (0, Then::Chunk) => At::Size,
                        (left, then) => At::Body(left, then),
                    };
                }
                At::Line => self.first(part, on),
                At::Headers(_) | At::Size | At::Trailers => {
                    on.extend_from_slice(part);
                    let room = FIELD - self.line.len().min(FIELD);
                    self.line.extend(part.iter().take(room));
                    if part.ends_with(b"\n") {
                        let line = mem::take(&mut self.line);
                        self.at = self.behind(line.trim_ascii_end());
                    }
                }
            }
        }
    }

    /// A part of a request's first line, which is held back until it is whole.
    fn first(&mut self, part: &[u8], on: &mut BytesMut) {
        self.line.extend_from_slice(part);
        let whole = part.ends_with(b"\n");
        if !whole && self.line.len() <= LONGEST {
            return;
        }
        let line = mem::take(&mut self.line);
        if line.len() > LONGEST {
            self.at = At::Lost;
        } else if !line.trim_ascii().is_empty() {
            self.at = At::Headers(Length::Known(0));
            if let Some((short, query)) = parted(&line) {
                on.extend_from_slice(&short);
                let mut waiting = self.queries.waiting();
                waiting.queries.push_back((self.number, query));
                return;
            }
        }
        on.extend_from_slice(&line);
    }

    /// What follows a line that is not a first one.
    fn behind(&mut self, line: &[u8]) -> At {
        match self.at {
            At::Headers(Length::Known(0)) | At::Trailers if line.is_empty() => self.next(),
            At::Headers(Length::Known(bytes)) if line.is_empty() => At::Body(bytes, Then::Request),
            At::Headers(Length::Chunked) if line.is_empty() => At::Size,
            At::Headers(length) => told(length, line).map_or(At::Lost, At::Headers),
            At::Size => match size(line) {
                Some(0) => At::Trailers,
                // With the line's end behind it.
                Some(bytes) => At::Body(bytes.saturating_add(2), Then::Chunk),
                None => At::Lost,
            },
            at => at,
        }
    }

    fn next(&mut self) -> At {
        self.number += 1;
        At::Line
    }
}

/// A first line without the query of its URL, and that, if it is too long with it.
fn parted(line: &[u8]) -> Option<(Vec<u8>, LongQuery)> {
    let line = std::str::from_utf8(line).ok()?;
    let (method, rest) = line.split_once(' ')?;
    let (target, version) = rest.rsplit_once(' ')?;
    if !(SHORT + 1..=LONG).contains(&target.len()) {
        return None;
    }
    let (path, query) = target.split_once('?')?;
    let short = format!("{method} {path} {version}");
    Some((short.into_bytes(), LongQuery(query.to_owned())))
}

/// What is known of a body's length behind a header; nothing if the library refuses it.
fn told(known: Length, line: &[u8]) -> Option<Length> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return Some(known);
    };
    let (name, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    if name.eq_ignore_ascii_case(b"transfer-encoding") {
        let last = value.rsplit(|byte| *byte == b',').next()?;
        let chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        return chunked.then_some(Length::Chunked);
    }
    if known == Length::Chunked || !name.eq_ignore_ascii_case(b"content-length") {
        return Some(known);
    }
    let bytes = std::str::from_utf8(value).ok()?.parse().ok()?;
    Some(Length::Known(bytes))
}

/// A chunk's size, without what else its line says.
fn size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit());
    let digits = line.get(..end.unwrap_or(line.len()))?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// What the library gets of what came in such pieces; and of each query that was parted, of which request it is and
/// how long.
pub(crate) fn parts(
    came: &[u8],
    pieces: impl IntoIterator<Item = usize>,
) -> (Vec<u8>, Vec<(u64, usize)>) {
    let queries = Queries::default();
    let mut requests = Requests::new(queries.clone());
    let (mut rest, mut on) = (came, BytesMut::new());
    for piece in pieces.into_iter().chain([usize::MAX]) {
        let (part, behind) = rest.split_at(piece.min(rest.len()));
        rest = behind;
        if requests.skip(part.len()) {
            on.extend_from_slice(part);
        } else {
            requests.follow(part, &mut on);
        }
    }
    requests.end(&mut on);
    let waiting = queries.waiting();
    let queries = waiting.queries.iter();
    let queries = queries.map(|(number, LongQuery(query))| (*number, query.len()));
    (on.into(), queries.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts_of(
        came: &str,
        pieces: impl IntoIterator<Item = usize>,
    ) -> (String, Vec<(u64, usize)>) {
        let (on, queries) = parts(came.as_bytes(), pieces);
        (String::from_utf8(on).unwrap(), queries)
    }

    /// Requests of all kinds, three of them with this query.
    fn connection(query: &str) -> String {
        let bodies = [
            format!("GET /?{query} HTTP/1.1\r\nhost: a\r\n\r\n"),
            format!("\r\nPOST /?{query} HTTP/1.1\r\nContent-Length: 11\r\n\r\nGET / H\r\n\r\n"),
            "POST /?a HTTP/1.1\ncontent-length: 5\ntransfer-encoding: gzip, Chunked\n\n\
             4;x=y\r\n\r\n\r\n\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n"
                .to_owned(),
            format!(
                "GET /?{query} HTTP/1.0\r\nx: {}\r\n\r\n",
                "y".repeat(2 * FIELD)
            ),
            "GET /?a HTTP/1.1\r\n\r\n".to_owned(),
        ];
        bodies.concat()
    }

    proptest! {
        #[test]
        fn long_queries_are_parted_however_it_comes_in(
            pieces in prop::collection::vec(1..60_usize, 0..40),
        ) {
            let (short, long) = (SHORT - 2, SHORT - 1);
            let came = connection(&"q".repeat(short));
            prop_assert_eq!(parts_of(&came, pieces.clone()), (came.clone(), Vec::new()));
            let came = connection(&"q".repeat(long));
            let parted = came.replace(&format!("?{}", "q".repeat(long)), "");
            let queries = vec![(0, long), (1, long), (3, long)];
            prop_assert_eq!(parts_of(&came, pieces), (parted, queries));
        }

        #[test]
        fn whatever_has_no_long_query_goes_on_as_it_is(
            came in "((GET|POST) /x HTTP/1.1\r?\n|content-length: ([0-9]{1,2}|x)\r\n|transfer-encoding: (chunked|gzip)\r\n|[0-9a-fx]{1,2}\r\n|\r\n|a: b\n){0,30}",
            pieces in prop::collection::vec(1..20_usize, 0..30),
        ) {
            prop_assert_eq!(parts_of(&came, pieces), (came.clone(), Vec::new()));
        }
    }

    #[test]
    fn what_is_longer_still_the_library_refuses() {
        let long = "q".repeat(LONGEST);
        let came = format!("GET /?{long} HTTP/1.1\r\n\r\nGET /?{long}");
        assert_eq!(parts_of(&came, [9, 1 << 16]), (came.clone(), Vec::new()));
        // One without a query is too.
        let path = format!("GET /{} HTTP/1.1\r\n\r\n", "q".repeat(SHORT));
        assert_eq!(parts_of(&path, []), (path.clone(), Vec::new()));
    }

    #[test]
    fn each_query_joins_its_own_request() {
        let queries = Queries::default();
        let query = |text: &str| LongQuery(text.to_owned());
        queries
            .waiting()
            .queries
            .extend([(1, query("b")), (2, query("c"))]);
        let joined = [(); 4].map(|()| {
            let mut extensions = Extensions::new();
            queries.join(&mut extensions);
            extensions.remove::<LongQuery>()
        });
        assert_eq!(joined, [None, Some(query("b")), Some(query("c")), None]);
    }
}
