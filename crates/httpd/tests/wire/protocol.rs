//! Requests and answers: framing, problems, request ids, panics.

use expect_test::{Expect, expect};
use httpd::Forwarded;

use crate::client::{Client, ask, status};
use crate::lab::{LIMITS, Lab};

#[tokio::test]
async fn answers_look_like_this() {
    let lab = Lab::start(LIMITS);
    let check = async |request: &str, expected: Expect| {
        let (_, head, body) = ask(lab.address, request).await;
        let head: String = head
            .lines()
            .filter(|l| !l.starts_with("date: "))
            .collect::<Vec<_>>()
            .join("\n");
        expected.assert_eq(&format!("{}\n\n{body}", head.trim_end()));
    };
    check(
        "GET /ok HTTP/1.1\r\n\r\n",
        expect![[r#"
        http/1.1 200 ok
        content-type: text/plain
        x-request-id: rq_000000000000000000000000
        content-length: 5

        fine
    "#]],
    )
    .await;
    check(
        "GET /away HTTP/1.1\r\n\r\n",
        expect![[r#"
        http/1.1 302 found
        location: https://example.test/
        x-request-id: rq_000000000000000000000001
        content-length: 0

    "#]],
    )
    .await;
    check("GET /nothing HTTP/1.1\r\n\r\n", expect![[r#"
        http/1.1 404 not found
        content-type: application/problem+json
        x-request-id: rq_000000000000000000000002
        content-length: 129

        {"title":"Not Found","status":404,"code":"not_found","detail":"there is nothing here","request_id":"rq_000000000000000000000002"}"#]]).await;
    check("POST /get HTTP/1.1\r\n\r\n", expect![[r#"
        http/1.1 405 method not allowed
        allow: get, head
        content-type: application/problem+json
        x-request-id: rq_000000000000000000000003
        content-length: 139

        {"title":"Method Not Allowed","status":405,"code":"method_not_allowed","detail":"use GET, HEAD","request_id":"rq_000000000000000000000003"}"#]]).await;
    check("POST /page HTTP/1.1\r\n\r\n", expect![[r#"
        http/1.1 405 method not allowed
        allow: get, head
        content-type: text/html; charset=utf-8
        x-request-id: rq_000000000000000000000004
        content-length: 333

        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>Method Not Allowed</title>
        <body style="font:16px/1.5 system-ui,sans-serif;margin:15vh auto;max-width:32em;padding:0 1em">
        <h1>Method Not Allowed</h1>
        <p>use GET, HEAD. Request rq_000000000000000000000004.</p>
        </html>
    "#]]).await;
    check("POST /invalid HTTP/1.1\r\n\r\n", expect![[r#"
        http/1.1 422 unprocessable entity
        content-type: application/problem+json
        x-request-id: rq_000000000000000000000005
        content-length: 288

        {"title":"Unprocessable Entity","status":422,"code":"invalid_lead","detail":"2 issues","errors":[{"pointer":"/lead/zip","code":"required","message":"is missing"},{"pointer":"/lead/age","code":"required","message":"is missing"}],"lead_id":"ld_1","request_id":"rq_000000000000000000000005"}"#]]).await;
}

#[tokio::test]
async fn a_head_request_gets_no_body() {
    let lab = Lab::start(LIMITS);
    let mut client = Client::to(lab.address).await;
    client
        .send("HEAD /ok HTTP/1.1\r\nConnection: close\r\n\r\n")
        .await;
    let head = client.head().await;
    assert!(head.contains("\r\ncontent-length: 5\r\n"), "{head}");
    assert!(client.closed().await);
}

#[tokio::test]
async fn what_is_not_http_is_a_400_and_a_close() {
    let lab = Lab::start(LIMITS);
    for (request, expected) in [
        ("hello\r\n\r\n", 400),
        ("GET /ok\r\n\r\n", 400),
        ("GET /ok HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("GET /ok HTTP/1.1\r\na : b\r\n\r\n", 400),
        ("GET / ok HTTP/1.1\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (
            "POST /echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
        ),
        (
            "POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
            400,
        ),
        (
            "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
        ),
        (
            &format!("GET /ok HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(40_000)),
            431,
        ),
        (
            &format!("GET /ok HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200)),
            431,
        ),
        (
            &format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)),
            431,
        ),
    ] {
        let mut client = Client::to(lab.address).await;
        client.send(request).await;
        let (head, _) = client.answer().await;
        let shown = request.get(..60).unwrap_or(request);
        assert_eq!(status(&head), expected, "{shown:?}");
        assert!(client.closed().await, "{shown:?}");
    }
    lab.connections(0).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_each_with_its_id() {
    let lab = Lab::start(LIMITS);
    let mut client = Client::to(lab.address).await;
    client
        .send(
            "POST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\
             GET /ok HTTP/1.1\r\n\r\n\
             POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n\
             GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n",
        )
        .await;
    let mut ids = Vec::new();
    for expected in ["3\n", "fine\n", "5\n"] {
        let (head, body) = client.answer().await;
        assert_eq!(body, expected);
        ids.push(id(&head));
    }
    let (head, body) = client.answer().await;
    assert!(
        body.contains(&format!("\"request_id\":\"{}\"", id(&head))),
        "{body}"
    );
    ids.push(id(&head));
    assert!(client.closed().await);
    ids.dedup();
    assert_eq!(ids.len(), 4, "{ids:?}");
}

fn id(head: &str) -> String {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "));
    line.unwrap_or_else(|| panic!("no request id in {head}"))
        .to_owned()
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_connection_lives_on() {
    let lab = Lab::start(LIMITS);
    let mut client = Client::to(lab.address).await;
    client
        .send("GET /panic HTTP/1.1\r\n\r\nGET /ok HTTP/1.1\r\n\r\n")
        .await;
    let (head, body) = client.answer().await;
    assert_eq!(status(&head), 500);
    assert!(body.contains("\"code\":\"internal\""), "{body}");
    assert!(!body.contains("as asked"), "{body}");
    assert_eq!(client.answer().await.1, "fine\n");
    assert_eq!(lab.metrics.counted(telemetry::HTTP_PANICS, ["lab"]), 1);
    assert_eq!(
        lab.metrics
            .counted(telemetry::HTTP_REQUESTS, ["lab", "5xx"]),
        1
    );
}

#[tokio::test]
async fn forwarding_headers_count_only_behind_an_own_proxy() {
    let request = "GET /who HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1\r\n\
                   X-Forwarded-For: 192.0.2.7, ::ffff:198.51.100.9\r\nX-Forwarded-Proto: HTTPS\r\n\r\n";
    for (forwarded, who) in [
        (Forwarded::Ignore, "127.0.0.1 http\n"),
        (Forwarded::Trust, "198.51.100.9 https\n"),
    ] {
        let lab = Lab::start_behind(LIMITS, forwarded);
        assert_eq!(ask(lab.address, request).await.2, who);
    }
}
