//! What a connection does: it stays for the next question or ends as it was told, whatever the answer was; and how
//! much a head may hold.

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::server::{PATIENCE, Server};

/// One connection, byte for byte.
struct Wire(BufReader<TcpStream>);

/// A head, its lines in lower case, and the body.
#[derive(Debug)]
struct Heard {
    status: u16,
    head: String,
    body: String,
}

impl Wire {
    async fn open(server: &Server) -> Self {
        Self(BufReader::new(
            TcpStream::connect(server.address).await.unwrap(),
        ))
    }

    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next answer, whose length is said.
    async fn hear(&mut self) -> Heard {
        let hearing = async {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                let read = self.0.read_line(&mut head).await.unwrap();
                assert!(read > 0, "it ends after {head:?}");
            }
            let head = head.to_ascii_lowercase();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.split("\r\n").next());
            let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
            self.0.read_exact(&mut body).await.unwrap();
            let body = String::from_utf8(body).unwrap();
            Heard { status, head, body }
        };
        tokio::time::timeout(PATIENCE, hearing).await.unwrap()
    }

    async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = self.0.read_to_end(&mut rest);
        tokio::time::timeout(PATIENCE, read).await.unwrap().is_ok() && rest.is_empty()
    }
}

pub(crate) fn post(target: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nhost: engine\r\ncontent-length: {length}\r\n{more}\r\n{body}"
    )
}

#[tokio::test]
async fn it_stays_for_the_next_question_or_ends_as_it_was_told() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let mut wire = Wire::open(&server).await;
    // Whatever the answer is, and also where the next question comes before it.
    for (target, sql, status, body) in [
        ("/", "SELECT 1", 200, "1\n"),
        ("/", "SELECT nope", 404, "Code: 47. "),
        ("/nope", "SELECT 1", 404, "There is no handle /nope\n"),
        ("/?user=nobody", "SELECT 1", 403, "Code: 516. "),
        ("/", "SELECT 2", 200, "2\n"),
    ] {
        wire.say(&post(target, "", sql)).await;
        let heard = wire.hear().await;
        assert_eq!(heard.status, status, "{heard:?}");
        assert!(heard.body.starts_with(body), "{heard:?}");
        assert!(
            heard.head.contains("\r\nkeep-alive: timeout=30\r\n"),
            "{heard:?}"
        );
    }
    let both = [post("/", "", "SELECT 3"), post("/", "", "SELECT 4")].concat();
    wire.say(&both).await;
    assert_eq!(wire.hear().await.body, "3\n");
    assert_eq!(wire.hear().await.body, "4\n");
    // HEAD has a head alone, after which comes the next answer.
    wire.say("HEAD /?query=SELECT+5 HTTP/1.1\r\nhost: engine\r\n\r\n")
        .await;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(wire.0.read_line(&mut head).await.unwrap() > 0);
    }
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    // Who waits to be told that a body is wanted is told, and not where it is not.
    let body = "SELECT 6";
    let expects = format!(
        "POST / HTTP/1.1\r\nhost: engine\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    wire.say(&expects).await;
    let told = wire.hear().await;
    assert_eq!((told.status, told.body.as_str()), (100, ""));
    wire.say(body).await;
    assert_eq!(wire.hear().await.body, "6\n");
    wire.say(&post("/", "connection: close\r\n", "SELECT 7"))
        .await;
    let heard = wire.hear().await;
    assert_eq!(heard.body, "7\n");
    assert!(!heard.head.contains("keep-alive"), "{heard:?}");
    assert!(wire.is_closed().await);

    // Of 1.0 it is the other way round.
    let mut wire = Wire::open(&server).await;
    for (more, stays) in [("connection: keep-alive\r\n", true), ("", false)] {
        wire.say(&format!("GET /?query=SELECT+8 HTTP/1.0\r\n{more}\r\n"))
            .await;
        let heard = wire.hear().await;
        assert_eq!(heard.body, "8\n");
        assert_eq!(heard.head.contains("\r\nkeep-alive: "), stays, "{heard:?}");
    }
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn a_head_and_a_statement_have_their_limits() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let mut wire = Wire::open(&server).await;
    // A value as long as the server takes one.
    let long = format!("x-long: {}\r\n", "x".repeat(128 << 10));
    wire.say(&post("/", &long, "SELECT 1")).await;
    assert_eq!(wire.hear().await.body, "1\n");
    // A URL as long as the server takes one, wherever on a connection a request begins.
    let long = |bytes: usize| format!("/?param_s={}", "x".repeat(bytes));
    let length = "query=SELECT+length(%7Bs:String%7D)";
    let chunked = "transfer-encoding: chunked\r\n\r\n6\r\nSELECT\r\n2;x\r\n 7\r\n0\r\n\r\n";
    let asked = [
        format!("GET {}&{length} HTTP/1.1\r\n\r\n", long(65_000)),
        format!("POST / HTTP/1.1\r\n{chunked}"),
        format!("GET {}&{length} HTTP/1.1\r\n\r\n", long(66_000)),
        post(&long(1_000_000), "", "SELECT length({s:String})"),
        format!("POST {} HTTP/1.1\r\n{chunked}", long(70_000)),
        post("/", "", "SELECT 8"),
    ];
    // One after the other, and without waiting for an answer.
    for request in &asked {
        wire.say(request).await;
        let heard = wire.hear().await;
        assert_eq!(heard.status, 200, "{heard:?}");
    }
    let all = asked.concat();
    wire.say(&all).await;
    for expected in ["65000\n", "7\n", "66000\n", "1000000\n", "7\n", "8\n"] {
        assert_eq!(wire.hear().await.body, expected);
    }
    let longer = format!("GET {} HTTP/1.1\r\n\r\n", long(1 << 20));
    wire.say(&longer).await;
    assert_eq!(wire.hear().await.status, 414);
    // A body's statement is as long as `max_query_size` says, whose rows do not count.
    let long = format!("SELECT length('{}')", "x".repeat(300_000));
    let refused = server.post("/", long.clone()).await;
    let code = refused.header("x-clickhouse-exception-code");
    assert_eq!((refused.status, code), (400, Some("62")));
    assert!(
        refused.text().contains("Max query size exceeded"),
        "{}",
        &refused.text()[..300]
    );
    let answer = server.post("/?max_query_size=1000000", long).await;
    assert_eq!(answer.ok(), "300000\n");
    server
        .run("CREATE TABLE t (s String) ENGINE = Memory")
        .await;
    let rows = format!("INSERT INTO t VALUES ('{}')", "x".repeat(1_000_000));
    server.run(&rows).await;
    assert_eq!(
        server.run("SELECT max(length(s)) FROM t").await,
        "1000000\n"
    );
}
