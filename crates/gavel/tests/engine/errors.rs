//! What goes wrong, and the status, the code and the text the server would give for it.

use hyper::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::connections::post;
use crate::crowd::connect;
use crate::parallel::running;
use crate::server::{PATIENCE, Server, encoded};

#[tokio::test]
async fn errors_have_the_servers_status_code_and_text() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    server
        .run("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        .await;
    let endless = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 0";
    for (target, body, status, code, text) in [
        (
            "/",
            "selec 1",
            400,
            "62",
            "DB::Exception: Syntax error: failed at position",
        ),
        ("/", "", 400, "62", "Empty query"),
        ("/", "-- nothing", 400, "62", "Empty query"),
        ("/", "exit", 400, "62", "Syntax error"),
        (
            "/",
            "SELECT 1; SELECT 2",
            400,
            "62",
            "Multi-statements are not allowed",
        ),
        ("/", "SELECT nope", 404, "47", "(UNKNOWN_IDENTIFIER)"),
        ("/", "SELECT * FROM nope", 404, "60", "(UNKNOWN_TABLE)"),
        (
            "/",
            "INSERT INTO nope VALUES (1)",
            404,
            "60",
            "(UNKNOWN_TABLE)",
        ),
        (
            "/",
            "SELECT 1 FORMAT Nope",
            404,
            "73",
            "Unknown format Nope",
        ),
        (
            "/",
            "SELECT {x:UInt8}",
            500,
            "456",
            "Substitution `x` is not set",
        ),
        (
            "/?param_x=y",
            "SELECT {x:UInt8}",
            500,
            "457",
            "(BAD_QUERY_PARAMETER)",
        ),
        ("/?nope=1", "SELECT 1", 404, "115", "Unknown setting 'nope'"),
        (
            "/?max_threads=x",
            "SELECT 1",
            400,
            "27",
            "Cannot parse input",
        ),
        (
            "/?database=nope",
            "SELECT 1",
            404,
            "81",
            "(UNKNOWN_DATABASE)",
        ),
        ("/?role=a", "SELECT 1", 501, "48", "there are no roles"),
        (
            "/?session_id=a&session_check=1",
            "SELECT 1",
            500,
            "372",
            "Session a not found",
        ),
        (
            "/?session_id=a&session_timeout=3601",
            "SELECT 1",
            500,
            "374",
            "max_session_timeout",
        ),
        ("/?decompress=1", "SELECT 1", 500, "33", "cut off"),
        (
            "/?default_format=a'b",
            "SELECT 1",
            404,
            "73",
            "Unknown format",
        ),
        (
            "/?max_execution_time=0.2",
            endless,
            408,
            "159",
            "Timeout exceeded",
        ),
        (
            "/?max_result_bytes=1000",
            "SELECT number FROM numbers(1000) FORMAT JSON",
            500,
            "396",
            "(TOO_MANY_ROWS_OR_BYTES)",
        ),
        (
            "/",
            "SELECT throwIf(number = 3) FROM numbers(9)",
            500,
            "395",
            "(FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)",
        ),
        (
            "/",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
            500,
            "358",
            "INTO OUTFILE is not allowed",
        ),
        (
            "/",
            "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV",
            404,
            "78",
            "infile",
        ),
        ("/", "SYSTEM SHUTDOWN", 500, "344", "not allowed"),
        ("/", "system kill", 500, "344", "not allowed"),
    ] {
        let answer = server.post(target, body).await;
        let got = (answer.status, answer.header("x-clickhouse-exception-code"));
        assert_eq!(
            got,
            (status, Some(code)),
            "{target} {body}: {}",
            answer.text()
        );
        let body_text = answer.text();
        assert!(
            body_text.starts_with(&format!("Code: {code}. DB::Exception: ")),
            "{body_text}"
        );
        assert!(body_text.contains(text), "{body_text}");
        assert!(
            body_text.contains(" (version ") && body_text.ends_with(")\n"),
            "{body_text}"
        );
    }
    for path in [
        "/play",
        "/dashboard",
        "/nope?x=1",
        "/queries?query=SELECT+1",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 404);
        let said = answer.text();
        assert!(
            said.starts_with(&format!("There is no handle {path}\n")),
            "{said}"
        );
        assert_eq!(server.post(path, "SELECT 1").await.status, 404);
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        assert_eq!(server.send(method, "/", &[], "").await.status, 501);
    }
}

#[tokio::test]
async fn what_only_reads_cannot_write_nor_leave_the_engine() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    server
        .run("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        .await;
    for text in [
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t FORMAT CSV",
        "INSERT INTO t SELECT 1",
        "CREATE TABLE u (a UInt8) ENGINE = Memory",
        "DROP TABLE t",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT 1 SETTINGS max_threads = 7",
        "SELECT * FROM (SELECT * FROM file('/etc/hostname', 'LineAsString') SETTINGS readonly = 0)",
        "WITH x AS (SELECT * FROM file('/etc/hostname', 'LineAsString') SETTINGS a, readonly = 0) SELECT * FROM x",
        "SELECT file('/etc/hostname')",
        "SELECT * APPLY file FROM (SELECT '/etc/hostname')",
        "SELECT * FROM eval('SELECT 1')",
        "DESCRIBE TABLE file('/etc/hostname')",
        "KILL QUERY WHERE 1",
        "SET readonly = 0",
    ] {
        let query = encoded(text);
        let got = server.get(&format!("/?readonly=1&query={query}")).await;
        let posted = server
            .post(&format!("/?readonly=1&query={query}"), "")
            .await;
        for answer in [got, posted] {
            let seen = (answer.status, answer.header("x-clickhouse-exception-code"));
            assert_eq!(seen, (500, Some("164")), "{text}: {}", answer.text());
        }
    }
    // A GET writes nothing, but as on the server it may say with which settings it reads.
    for text in [
        "INSERT INTO t VALUES (1)",
        "DROP TABLE t",
        "KILL QUERY WHERE 1",
    ] {
        let answer = server.get(&format!("/?query={}", encoded(text))).await;
        let seen = (answer.status, answer.header("x-clickhouse-exception-code"));
        assert_eq!(seen, (500, Some("164")), "{text}: {}", answer.text());
    }
    let settings = "/?query=SELECT+count()+FROM+t+SETTINGS+max_threads=7&max_threads=1";
    assert_eq!(server.get(settings).await.ok(), "0\n");
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_result_cannot_be_taken_for_its_end() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let select = "SELECT throwIf(number = 5000000) FROM numbers(10000000)";
    let answer = server.post("/", select).await;
    assert_eq!((answer.status, answer.whole), (200, false));
    let tag = answer
        .header("x-clickhouse-exception-tag")
        .expect("a tag")
        .to_owned();
    let end = format!(" {tag}\r\n__exception__\r\n");
    let text = answer.text();
    let text = text.strip_suffix(&end).expect("the frame's end");
    let (text, length) = text.rsplit_once('\n').expect("the length");
    let start = format!("\r\n__exception__\r\n{tag}\r\n");
    let (_, message) = text.rsplit_once(&start).expect("the frame's start");
    assert!(
        message.starts_with("Code: 395. DB::Exception: "),
        "{message}"
    );
    assert_eq!(length.parse(), Ok(message.len() + 1));
    // Held back whole, the same result has the status it deserves.
    let answer = server.post("/?wait_end_of_query=1", select).await;
    assert_eq!(
        (answer.status, answer.header("x-clickhouse-exception-code")),
        (500, Some("395"))
    );
}

/// What it has not read yet fills the way, so the error cannot leave at once.
#[tokio::test]
async fn a_client_that_reads_slowly_hears_of_an_error_all_the_same() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let select = "SELECT number, 'slowly', throwIf(number = 3000000) FROM numbers(10000000)";
    let mut stream = connect(server.address).await;
    let request = post("/", "", select);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let mut read = async |most| {
        let mut piece = (&mut stream).take(most);
        let read = piece.read_to_end(&mut heard);
        tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap()
    };
    read(1 << 20).await;
    while server.run(&running("slowly")).await != "0\n" {
        read(1 << 20).await;
    }
    // So its way stays full to the end.
    while read(64 << 10).await > 0 {
        server.run("SELECT 1").await;
    }
    assert!(heard.starts_with(b"HTTP/1.1 200"));
    let tail = String::from_utf8_lossy(&heard[heard.len() - 600..]).into_owned();
    assert!(
        tail.contains("\r\n__exception__\r\n") && tail.contains("Code: 395. "),
        "{tail}"
    );
    assert!(!tail.ends_with("\r\n0\r\n\r\n"), "{tail}");
}

#[tokio::test]
async fn only_listed_users_are_heard() {
    let data = tempfile::tempdir().unwrap();
    let users = data.path().join("users");
    let lines = [
        engine::users::User::new("worker", "se:cret", engine::Access::ReadWrite).line(),
        engine::users::User::new("reader", "look", engine::Access::ReadOnly).line(),
    ];
    std::fs::write(&users, lines.concat()).unwrap();
    let users = users.to_str().unwrap();
    let data_directory = data.path().join("data");
    let Some(server) = Server::start_with(&data_directory, &["--users", users]) else {
        return;
    };
    let basic = format!("Basic {}", data_encoding::BASE64.encode(b"worker:se:cret"));
    for (target, headers) in [
        ("/?user=worker&password=se%3Acret", vec![]),
        (
            "/",
            vec![
                ("x-clickhouse-user", "worker"),
                ("x-clickhouse-key", "se:cret"),
            ],
        ),
        ("/", vec![("authorization", basic.as_str())]),
    ] {
        let answer = server
            .send(Method::POST, target, &headers, "SELECT 1")
            .await;
        assert_eq!(answer.ok(), "1\n");
    }
    for (target, headers) in [
        ("/?user=worker", vec![]),
        ("/?user=worker&password=look", vec![]),
        ("/?user=nobody&password=look", vec![]),
        ("/?user=worker", vec![("authorization", basic.as_str())]),
    ] {
        let answer = server
            .send(Method::POST, target, &headers, "SELECT 1")
            .await;
        let got = (answer.status, answer.header("x-clickhouse-exception-code"));
        assert_eq!(got, (403, Some("516")), "{target} {headers:?}");
    }
    // Who names nobody may have a browser that can ask.
    let nobody = server.post("/", "SELECT 1").await;
    let code = nobody.header("x-clickhouse-exception-code");
    assert_eq!((nobody.status, code), (401, Some("194")));
    let realm = Some("Basic realm=\"ClickHouse server HTTP API\"");
    assert_eq!(nobody.header("www-authenticate"), realm);
    // A refusal is read even by a client in the middle of a large body.
    let insert = format!("/?query={}", encoded("INSERT INTO t FORMAT RowBinary"));
    assert_eq!(server.post(&insert, vec![0; 20 << 20]).await.status, 401);
    let reader = "/?user=reader&password=look";
    assert_eq!(server.post(reader, "SELECT 1").await.ok(), "1\n");
    let answer = server
        .post(reader, "CREATE TABLE t (a UInt8) ENGINE = Memory")
        .await;
    assert_eq!(answer.header("x-clickhouse-exception-code"), Some("164"));
    assert_eq!(server.get("/ping").await.ok(), "Ok.\n");
}
