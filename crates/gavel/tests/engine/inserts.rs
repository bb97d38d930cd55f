//! Writing: every byte of a body arrives, in whatever pieces; half a body is not committed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::server::{Body, PATIENCE, Server, encoded, send};

/// A body whose pieces the test sends; an error breaks the connection in the middle of it.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

fn pieces() -> (mpsc::Sender<io::Result<Bytes>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Pieces(receiver).boxed())
}

#[tokio::test]
async fn rows_come_after_the_statement_wherever_it_stands() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    server
        .run("CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
        .await;
    for (query, body) in [
        ("INSERT INTO t FORMAT CSV", "1,\"x\"\n2,y\n"),
        ("", "INSERT INTO t FORMAT CSV\n3,\"x\"\n4,y\n"),
        ("", "INSERT INTO t FORMAT JSONEachRow {\"a\":5,\"b\":\"z\"}"),
        ("", "INSERT INTO t VALUES (6, 'it''s'), (7, upper('u'));"),
        ("INSERT INTO t (b, a)", "VALUES ('v', 8)"),
        ("INSERT INTO t VALUES", "(9, 'w')"),
        ("INSERT INTO t SELECT number, 'n' FROM numbers(10, 2)", ""),
        (
            "INSERT INTO t FORMAT TSV SETTINGS input_format_allow_errors_num = 1",
            "12\tok\nbad\n",
        ),
        ("INSERT INTO t VALUES ({a:UInt64}, {b:String})", ""),
    ] {
        let target = format!("/?query={}&param_a=13&param_b=p", encoded(query));
        let answer = server.post(&target, body).await;
        assert_eq!(answer.ok(), "", "{query} {body}");
        assert!(answer.header("x-clickhouse-summary").is_some(), "{query}");
    }
    assert_eq!(
        server
            .run("SELECT groupArray((a, b)) FROM (SELECT * FROM t ORDER BY a)")
            .await,
        "[(1,'x'),(2,'y'),(3,'x'),(4,'y'),(5,'z'),(6,'it\\'s'),(7,'U'),(8,'v'),(9,'w'),(10,'n'),\
         (11,'n'),(12,'ok'),(13,'p')]\n"
    );
}

/// Rows made of the bytes that read as white space, quotes and comments, cut everywhere.
#[tokio::test]
async fn binary_rows_arrive_byte_for_byte() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    server
        .run("CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
        .await;
    let alphabet = b" \t\r\n;'\"`-/*#\\$\0\xFFSETTINGS";
    let mut rows = Vec::new();
    let count = 5000_u64;
    for row in 0..count {
        let length = u8::try_from(row % 20).unwrap();
        rows.extend_from_slice(&row.to_le_bytes());
        rows.push(length);
        for at in 0..u64::from(length) {
            let byte = (row.wrapping_mul(31).wrapping_add(at * 7)) % alphabet.len() as u64;
            rows.push(alphabet[usize::try_from(byte).unwrap()]);
        }
    }
    let expected = format!("{count}\t{}\n", count * (count - 1) / 2);
    let target = format!("/?query={}", encoded("INSERT INTO t FORMAT RowBinary"));
    for size in [1, 7, 4096, rows.len()] {
        let (sender, body) = pieces();
        let whole = Bytes::from(rows.clone());
        // A piece a byte for the first rows, then in larger ones: the test has an end.
        let feed = async move {
            let mut at = 0;
            while at < whole.len() {
                let step = if at < 2000 { size } else { size.max(1000) };
                let end = (at + step).min(whole.len());
                sender.send(Ok(whole.slice(at..end))).await.unwrap();
                at = end;
            }
        };
        let sent = send(server.address, Method::POST, &target, &[], body);
        let (answer, ()) = tokio::join!(sent, feed);
        assert_eq!(answer.unwrap().ok(), "", "pieces of {size}");
        assert_eq!(
            server.run("SELECT count(), sum(a) FROM t").await,
            expected,
            "pieces of {size}"
        );
        let back = server
            .run("SELECT hex(groupArray(b)[19]) FROM (SELECT b FROM t ORDER BY a)")
            .await;
        assert_eq!(back.trim_end().len(), 2 * 18);
        let read = server
            .post("/", "SELECT a, b FROM t ORDER BY a FORMAT RowBinary")
            .await;
        assert!(
            read.body == rows,
            "what is read is not what was written, in pieces of {size}"
        );
        server.run("TRUNCATE TABLE t").await;
    }
}

#[tokio::test]
async fn half_a_body_and_bad_rows_are_not_committed() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    server
        .run("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        .await;
    let target = format!("/?query={}", encoded("INSERT INTO t FORMAT RowBinary"));
    // The client breaks off after a thousand good rows.
    let (sender, body) = pieces();
    let rows = Bytes::from(vec![0; 8000]);
    let feed = async move {
        sender.send(Ok(rows)).await.unwrap();
        sender
            .send(Err(io::ErrorKind::ConnectionReset.into()))
            .await
            .unwrap();
    };
    let sent = server.try_send(Method::POST, &target, &[], body);
    let (answer, ()) = tokio::join!(sent, feed);
    assert!(answer.is_err());
    // The body is whole, its last row is not.
    let answer = server.post(&target, vec![0; 8001]).await;
    assert_eq!(
        answer.header("x-clickhouse-exception-code"),
        Some("33"),
        "{}",
        answer.text()
    );
    let answer = server.post("/", "INSERT INTO t VALUES (1), ('x')").await;
    assert_ne!(answer.status, 200);
    // A large body for a table that is not there: the answer is read, not a reset connection.
    let missing = format!("/?query={}", encoded("INSERT INTO nope FORMAT RowBinary"));
    let answer = server.post(&missing, vec![0; 20 << 20]).await;
    assert_eq!(answer.header("x-clickhouse-exception-code"), Some("60"));
    server
        .wait_for(
            "SELECT count() FROM system.processes WHERE query LIKE 'INSERT%'",
            "0",
        )
        .await;
    assert_eq!(server.run("SELECT count() FROM t").await, "0\n");
}

#[tokio::test]
async fn a_large_insert_is_not_held_whole() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    server
        .run("CREATE TABLE t (a UInt64, b String) ENGINE = Null")
        .await;
    let row = [&[7; 8][..], &[100], &[b'x'; 100]].concat();
    let piece = Bytes::from(row.repeat(10_000));
    let pieces_count = 480;
    // Blocks small enough that what grows is what this host holds, not what the engine squashes.
    let target = format!(
        "/?min_insert_block_size_rows=100000&min_insert_block_size_bytes=10000000&query={}",
        encoded("INSERT INTO t FORMAT RowBinary")
    );
    assert_eq!(server.post(&target, piece.clone()).await.ok(), "");
    let before = server.peak_memory();
    let (sender, body) = pieces();
    let feed = async {
        for _ in 0..pieces_count {
            sender.send(Ok(piece.clone())).await.unwrap();
        }
        drop(sender);
    };
    let sent = server.try_send(Method::POST, &target, &[], body);
    let both = async { tokio::join!(sent, feed) };
    let (answer, ()) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    let answer = answer.unwrap();
    assert_eq!(answer.ok(), "");
    let rows = pieces_count * 10_000;
    let summary = answer.header("x-clickhouse-summary").unwrap();
    assert!(
        summary.contains(&format!("\"written_rows\":\"{rows}\"")),
        "{summary}"
    );
    let grown = (server.peak_memory() - before) / 1024;
    assert!(
        grown < 150,
        "the peak grew by {grown} MiB for a body of {} MB",
        piece.len() * pieces_count / 1_000_000
    );
}
