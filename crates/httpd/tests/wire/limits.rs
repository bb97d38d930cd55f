//! What one client may take: bytes, time, connections.

use std::time::Duration;

use httpd::Limits;
use tokio::io::AsyncWriteExt;

use crate::client::{Client, ask, status};
use crate::lab::{LIMITS, Lab, SHORT};

const HUGE: usize = 100 << 20;

/// A body may be as large as the limit and not a byte larger, however it is framed; the refusal
/// comes when the limit is passed, not when the body ends.
#[tokio::test]
async fn a_body_is_refused_as_soon_as_it_is_too_large() {
    let lab = Lab::start(LIMITS);
    let limit = LIMITS.body_bytes;
    let plain = |announced: usize, sent: usize| {
        let head = format!("POST /echo HTTP/1.1\r\nContent-Length: {announced}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; sent]].concat()
    };
    let chunked = |sent: usize| {
        let head = format!("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{HUGE:x}\r\n");
        [head.into_bytes(), vec![b'x'; sent]].concat()
    };
    for (what, request, expected) in [
        ("at the limit", plain(limit, limit), 200),
        ("one byte more", plain(limit + 1, 0), 413),
        ("huge, announced", plain(HUGE, 0), 413),
        ("huge, in one chunk", chunked(limit + 1), 413),
    ] {
        let mut client = Client::to(lab.address).await;
        client.send(request).await;
        let (head, body) = client.answer().await;
        assert_eq!(status(&head), expected, "{what}");
        assert_eq!(
            body.contains("body_too_large"),
            expected == 413,
            "{what}: {body}"
        );
    }
}

/// A client that sends a body where nobody wants one reads why.
#[tokio::test]
async fn an_answer_survives_a_body_that_nobody_read() {
    let lab = Lab::start(LIMITS);
    for path in ["/nothing", "/panic", "/ok"] {
        let mut client = Client::to(lab.address).await;
        let head = format!("POST {path} HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n");
        let request = [head.as_bytes(), &[b'x'; 4_000_000]].concat();
        // Who pauses in the middle of it may find the connection reset; the answer is there all the same.
        let _ = client.stream.write_all(&request).await;
        client.answer().await;
        assert!(client.closed().await, "{path}");
    }
}

/// A client that sends on without reading still finds the answer, and does not cost the memory.
#[tokio::test]
async fn who_sends_on_after_the_refusal_can_still_read_it() {
    let lab = Lab::start(LIMITS);
    let mut client = Client::to(lab.address).await;
    client
        .send(format!(
            "POST /echo HTTP/1.1\r\nContent-Length: {HUGE}\r\n\r\n"
        ))
        .await;
    let mut sent = 0;
    while sent < HUGE && client.stream.write_all(&[b'x'; 64 * 1024]).await.is_ok() {
        sent += 64 * 1024;
    }
    assert_eq!(status(&client.answer().await.0), 413);
    assert!(client.closed().await);
    drop(client);
    lab.connections(0).await;
}

#[tokio::test]
async fn a_slow_body_is_a_408_and_a_slow_head_a_close() {
    let lab = Lab::start(Limits {
        read_timeout: SHORT,
        ..LIMITS
    });
    let mut client = Client::to(lab.address).await;
    client
        .send("POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")
        .await;
    let (head, body) = client.answer().await;
    assert_eq!(status(&head), 408);
    assert!(body.contains("body_too_slow"), "{body}");
    assert!(client.closed().await);

    for head in ["", "GET /ok HT", "GET /ok HTTP/1.1\r\nx: y\r\n"] {
        let mut client = Client::to(lab.address).await;
        client.send(head).await;
        assert!(client.closed().await, "{head:?}");
    }

    let mut client = Client::to(lab.address).await;
    client.send("GET /ok HTTP/1.1\r\n\r\n").await;
    client.answer().await;
    assert!(client.closed().await, "an idle connection is closed");
}

#[tokio::test]
async fn a_body_that_breaks_off_costs_nothing() {
    let lab = Lab::start(LIMITS);
    let mut client = Client::to(lab.address).await;
    client
        .send("POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")
        .await;
    lab.connections(1).await;
    drop(client);
    lab.connections(0).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let lab = Lab::start(Limits {
        write_timeout: SHORT,
        ..LIMITS
    });
    let mut client = Client::to(lab.address).await;
    client.send("GET /vast HTTP/1.1\r\n\r\n").await;
    lab.connections(1).await;
    lab.connections(0).await;
}

#[tokio::test]
async fn too_many_connections_are_told_so() {
    let lab = Lab::start(Limits {
        connections: 1,
        ..LIMITS
    });
    let mut first = Client::to(lab.address).await;
    first.send("GET /ok HTTP/1.1\r\n\r\n").await;
    first.answer().await;
    let (status, head, _) = ask(lab.address, "GET /ok HTTP/1.1\r\n\r\n").await;
    assert_eq!(status, 503);
    assert!(head.contains("\r\nretry-after: 1\r\n"), "{head}");
    assert_eq!(lab.metrics.counted(telemetry::HTTP_REFUSED, ["lab"]), 1);
    drop(first);
    lab.connections(0).await;
    // The gauge falls a moment before the place is free.
    let free = async { while ask(lab.address, "GET /ok HTTP/1.1\r\n\r\n").await.0 != 200 {} };
    tokio::time::timeout(Duration::from_secs(20), free)
        .await
        .unwrap();
}
