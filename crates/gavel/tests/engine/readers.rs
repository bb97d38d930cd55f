//! Users with few rights: what a reader tries, what limits hold, and a users file that changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::Access;
use engine::users::User;
use hyper::Method;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::parallel::{ENDLESS, running};
use crate::server::{Answer, PATIENCE, Server, bytes, encoded};

/// Statements that write, or reach outside: a file with a secret is at `{file}`, and somebody counts who comes to `{url}`.
const ATTEMPTS: [&str; 82] = [
    "INSERT INTO t VALUES (2)",
    "INSERT INTO t FORMAT CSV\n2",
    "INSERT INTO t SELECT 2",
    "INSERT INTO FUNCTION file('{file}.new', 'CSV', 'a UInt8') VALUES (2)",
    "INSERT INTO FUNCTION null('a UInt8') VALUES (2)",
    "INSERT INTO t FROM INFILE '{file}' FORMAT CSV",
    "CREATE TABLE u (a UInt8) ENGINE = Memory",
    "CREATE TABLE u ENGINE = Memory AS SELECT 1",
    "CREATE TABLE u (a String) ENGINE = File(LineAsString, '{file}')",
    "CREATE TABLE u (a String) ENGINE = URL('http://{url}/', LineAsString)",
    "CREATE TEMPORARY TABLE u (a UInt8)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT * FROM t",
    "CREATE DATABASE d",
    "CREATE DATABASE d ENGINE = Filesystem('/')",
    "CREATE FUNCTION f AS x -> x",
    "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(FILE(path '{file}' format 'CSV')) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE USER u",
    "CREATE ROLE r",
    "CREATE NAMED COLLECTION c AS a = 1",
    "GRANT ALL ON *.* TO default",
    "ALTER TABLE t ADD COLUMN b UInt8",
    "ALTER TABLE t DELETE WHERE 1",
    "ALTER TABLE t UPDATE a = 2 WHERE 1",
    "ALTER TABLE t FREEZE",
    "DELETE FROM t WHERE 1",
    "DROP TABLE t",
    "DROP DATABASE default",
    "TRUNCATE TABLE t",
    "RENAME TABLE t TO u",
    "EXCHANGE TABLES t AND u",
    "OPTIMIZE TABLE t FINAL",
    "DETACH TABLE t",
    "ATTACH TABLE u",
    "UNDROP TABLE u",
    "SYSTEM FLUSH LOGS",
    "SYSTEM STOP MERGES",
    "SYSTEM SHUTDOWN",
    "KILL QUERY WHERE 1",
    "KILL MUTATION WHERE 1",
    "BACKUP TABLE t TO Disk('default', 'b')",
    "BACKUP TABLE t TO File('{file}.new')",
    "RESTORE TABLE t FROM File('{file}')",
    "SELECT 1 INTO OUTFILE '{file}.new'",
    "SELECT file('{file}')",
    "SELECT `file`('{file}')",
    "SELECT * APPLY file FROM (SELECT '{file}')",
    "SELECT arrayMap(x -> file(x), ['{file}'])",
    "SELECT * FROM file('{file}', LineAsString)",
    "SELECT * FROM `{file}`",
    "SELECT * FROM '{file}'",
    "SELECT * FROM fileCluster('c', '{file}', LineAsString)",
    "WITH x AS (SELECT * FROM file('{file}', LineAsString)) SELECT * FROM x",
    "SELECT 1 IN (SELECT length(line) FROM file('{file}', LineAsString))",
    "DESCRIBE TABLE file('{file}')",
    "SELECT * FROM eval('SELECT file(''{file}'')')",
    "SELECT * FROM url('http://{url}/', LineAsString)",
    "DESCRIBE TABLE url('http://{url}/')",
    "SELECT * FROM s3('http://{url}/bucket/k', NOSIGN, LineAsString)",
    "SELECT * FROM remote('{url}', system.one)",
    "SELECT * FROM mysql('{url}', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('{url}', 'd', 't', 'u', 'p')",
    "SELECT * FROM mongodb('{url}', 'd', 't', 'u', 'p', 'a UInt8')",
    "SELECT * FROM redis('{url}', 'k', 'k String, v String')",
    "SELECT * FROM sqlite('{file}', 't')",
    "SELECT * FROM executable('cat', LineAsString, 'a String')",
    "SELECT * FROM hdfs('hdfs://{url}/x', LineAsString, 'a String')",
    "SELECT * FROM deltaLake('http://{url}/bucket/x', NOSIGN)",
    "SELECT * FROM icebergS3('http://{url}/bucket/x', NOSIGN)",
    "SELECT * FROM urlCluster('default', 'http://{url}/', LineAsString)",
    "SELECT * FROM azureBlobStorage('http://{url}/', 'c', 'x', 'n', 'k')",
    "SELECT * FROM remoteSecure('{url}', system.one)",
    "SELECT * FROM odbc('DSN=x', 'd', 't')",
    "SELECT * FROM loop(file('{file}', LineAsString))",
    "SELECT * FROM view(SELECT * FROM file('{file}', LineAsString))",
    "SELECT * FROM t WHERE a IN (SELECT length(line) FROM url('http://{url}/', LineAsString, 'line String'))",
    "EXPLAIN SELECT * FROM file('{file}', LineAsString)",
    "EXPLAIN PIPELINE SELECT * FROM url('http://{url}/', LineAsString)",
    "DESCRIBE (SELECT * FROM url('http://{url}/', LineAsString))",
    "SELECT 1 UNION ALL SELECT length(file('{file}'))",
    "CREATE TABLE u CLONE AS t",
    "SELECT * FROM filesystem('/')",
];

/// Settings that would open a door, or move a limit.
const SETTINGS: [(&str, &str); 12] = [
    ("readonly", "0"),
    ("readonly", "2"),
    ("allow_ddl", "1"),
    ("allow_introspection_functions", "1"),
    ("format_schema", "{file}"),
    ("format_schema_source", "file"),
    ("format_template_row", "{file}"),
    ("format_template_resultset", "{file}"),
    ("input_format_record_errors_file_path", "{file}.new"),
    ("max_execution_time", "0"),
    ("max_execution_time", "61"),
    ("log_queries", "0"),
];

const SECRET: &str = "only for the owner";

/// The headers of a user who may only look.
fn named(user: &str) -> [(&str, &str); 2] {
    [("x-clickhouse-user", user), ("x-clickhouse-key", "look")]
}

/// Asks as the reader.
async fn reader(server: &Server, target: &str, body: &str) -> Answer {
    look(server, "reader", target, body).await
}

/// Asks as a user who may only look.
async fn look(server: &Server, user: &str, target: &str, body: &str) -> Answer {
    let answer = server
        .send(Method::POST, target, &named(user), body.to_owned())
        .await;
    assert!(
        !answer.text().contains(SECRET),
        "{target} {body}: {}",
        answer.text()
    );
    answer
}

/// A statement with a clause for its settings, where it stands in one of its kind.
fn with_clause(sql: &str, clause: &str) -> String {
    let ends = [" VALUES", " FORMAT", " INTO OUTFILE"].map(|word| sql.find(word));
    let end = match sql.find(" FROM INFILE") {
        Some(end) => end,
        None => ends.into_iter().flatten().min().unwrap_or(sql.len()),
    };
    let (before, after) = sql.split_at(end);
    format!("{before} SETTINGS {clause}{after}")
}

/// Whether this is the code of somebody who may not, and not of somebody who has said it badly.
fn refuses(code: u32, sql: &str, form: &str) -> bool {
    match code {
        // Readonly, and a limit that may only be lowered.
        164 | 452 => true,
        // Clients have no files here, and the engine has no clusters.
        78 => sql.contains("INFILE"),
        701 => sql.contains("Cluster"),
        // Some statements have no place for settings.
        62 => form == "SETTINGS clause" && !sql.contains("SELECT"),
        _ => false,
    }
}

/// An address, and how often somebody has come to it.
async fn visited() -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let visits = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&visits);
    tokio::spawn(async move {
        loop {
            let (mut visitor, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let page = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nx\n";
            // Who hangs up was here too.
            let _ = visitor.write_all(page).await;
            let _ = visitor.shutdown().await;
        }
    });
    (address, visits)
}

fn write_users(file: &Path, readers: &str) {
    let worker = User::new("worker", "write", Access::ReadWrite).line();
    // Whole under another name first: the server may look at any moment.
    let draft = file.with_extension("new");
    std::fs::write(&draft, format!("{worker}{readers}\n")).unwrap();
    std::fs::rename(draft, file).unwrap();
}

fn line(user: &str, password: &str, limits: &str) -> String {
    let line = User::new(user, password, Access::ReadOnly).line();
    format!("{} {limits}", line.trim_end())
}

#[tokio::test]
async fn a_reader_neither_writes_nor_leaves_the_engine() {
    let data = tempfile::tempdir().unwrap();
    let users = data.path().join("users");
    write_users(&users, &line("reader", "look", "max_execution_time=60"));
    let directory = data.path().join("data");
    let Some(server) = Server::start_with(&directory, &["--users", users.to_str().unwrap()]) else {
        return;
    };
    let worker = "/?user=worker&password=write";
    for sql in [
        "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a",
        "INSERT INTO t VALUES (1)",
    ] {
        server.post(worker, sql).await.ok();
    }
    let secret = data.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let (url, visits) = visited().await;
    let here = |text: &str| {
        text.replace("{file}", secret.to_str().unwrap())
            .replace("{url}", &url)
    };
    let state = async || {
        let all = "SELECT (SELECT (count(), sum(a)) FROM t), (SELECT count() FROM system.functions), (SELECT \
            (count(), sum(sipHash64(database, name, create_table_query))) FROM system.tables)";
        server.post(worker, all).await.ok()
    };
    let before = state().await;

    let mut asked = BTreeMap::new();
    let mut went_well = Vec::new();
    let mut attempt = async |form: &'static str, target: String, body: String| {
        let answer = reader(&server, &target, &body).await;
        *asked.entry(form).or_insert(0) += 1;
        let code = answer.header("x-clickhouse-exception-code");
        let code = code.and_then(|code| code.parse().ok());
        if answer.status == 200
            || !code.is_some_and(|code| refuses(code, &format!("{target} {body}"), form))
        {
            went_well.push(format!("{form}: {target} {body}: {}", answer.text()));
        }
    };
    for sql in ATTEMPTS.map(here) {
        let url = format!("/?query={}", encoded(&sql));
        attempt("as it is", "/".to_owned(), sql.clone()).await;
        attempt("in the URL", url, String::new()).await;
        for readonly in ["0", "2"] {
            let target = format!("/?readonly={readonly}");
            attempt("URL setting", target, sql.clone()).await;
        }
        let clause = with_clause(&sql, "readonly = 0");
        attempt("SETTINGS clause", "/".to_owned(), clause).await;
        let session = || "/?session_id=s".to_owned();
        attempt("SET", session(), "SET readonly = 0".to_owned()).await;
        let disguised = sql.replace("SELECT", "SELECT /* */");
        attempt("after SET", session(), disguised).await;
    }
    for (name, value) in SETTINGS {
        let value = here(value);
        let url = format!("/?{name}={}", encoded(&value));
        attempt("URL setting", url, "INSERT INTO t VALUES (2)".to_owned()).await;
        let clause = format!("SETTINGS {name} = '{value}'");
        attempt(
            "SETTINGS clause",
            "/".to_owned(),
            format!("SELECT 1 {clause}"),
        )
        .await;
        let inner = format!("SELECT * FROM (SELECT 1 {clause})");
        attempt("SETTINGS clause", "/".to_owned(), inner).await;
        let session = "/?session_id=s".to_owned();
        attempt("SET", session, format!("SET {name} = '{value}'")).await;
    }
    assert!(went_well.is_empty(), "went well:\n{}", went_well.join("\n"));
    for form in ["URL setting", "SETTINGS clause", "SET", "after SET"] {
        assert!(asked.get(form).is_some_and(|asked| *asked >= 40), "{form}");
    }
    // Nothing of it had an effect, and nobody came; somebody who may would have.
    assert_eq!(state().await, before);
    assert!(!data.path().join("secret.new").exists());
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    let open = here("SELECT * FROM url('http://{url}/', LineAsString)");
    assert_eq!(server.post(worker, open).await.ok(), "x\n");
    assert!(visits.load(Ordering::SeqCst) > 0);

    // What it may: read, and say how.
    let answer = reader(
        &server,
        "/?max_execution_time=59&max_threads=1",
        "SELECT sum(a) FROM t",
    )
    .await;
    assert_eq!(answer.ok(), "1\n");
    let answer = reader(&server, "/?session_id=s", "USE system").await;
    let moved = reader(&server, "/?session_id=s", "SELECT currentDatabase()").await;
    assert_eq!((answer.status, moved.ok().as_str()), (200, "system\n"));
}

#[tokio::test]
async fn limits_hold_and_a_changed_file_is_in_force_at_once() {
    let data = tempfile::tempdir().unwrap();
    let users = data.path().join("users");
    // Each has one limit, so that none comes in the way of another however slow the machine is.
    let limited = [
        ("reader", "max_rows_to_read=1000"),
        ("small", "max_memory_usage=100000000"),
        ("short", "max_execution_time=1"),
        ("alone", "max_concurrent_queries_for_user=1"),
    ];
    let limited = limited.map(|(user, limit)| line(user, "look", limit));
    write_users(&users, &limited.join("\n"));
    let directory = data.path().join("data");
    let Some(server) = Server::start_with(&directory, &["--users", users.to_str().unwrap()]) else {
        return;
    };
    for (user, target, sql, code) in [
        (
            "reader",
            "/",
            "SELECT count() FROM numbers(1001) WHERE NOT ignore(number)",
            "158",
        ),
        ("reader", "/?max_rows_to_read=1001", "SELECT 1", "452"),
        ("reader", "/?max_rows_to_read=0", "SELECT 1", "452"),
        ("small", "/?max_memory_usage=100000001", "SELECT 1", "452"),
        (
            "reader",
            "/",
            "SELECT sleepEachRow(1) FROM numbers(5) SETTINGS max_block_size = 1",
            "164",
        ),
        (
            "short",
            "/?max_block_size=1",
            "SELECT sleepEachRow(1) FROM numbers(5)",
            "159",
        ),
        (
            "small",
            "/",
            "SELECT length(repeat('x', 1000000)) FROM numbers(900) WHERE length(groupArray(repeat('x', 1000000))) > 0",
            "184",
        ),
        (
            "small",
            "/",
            "SELECT length(groupArray(repeat('x', 1000000))) FROM numbers(900)",
            "241",
        ),
    ] {
        let answer = look(&server, user, target, sql).await;
        let seen = answer.header("x-clickhouse-exception-code");
        assert_eq!(seen, Some(code), "{target} {sql}: {}", answer.text());
    }
    let named = named("alone");
    let first = server.try_send(Method::POST, "/", &named, bytes(ENDLESS));
    let others = async {
        let worker = "/?user=worker&password=write";
        let one = running("sipHash64");
        server.wait_for_at(worker, &one, "1").await;
        let second = look(&server, "alone", "/", "SELECT 1").await;
        assert_eq!(second.header("x-clickhouse-exception-code"), Some("202"));
        let kill = format!("KILL QUERY WHERE query LIKE '{ENDLESS}%'");
        server.post(worker, kill).await.ok();
    };
    let both = async { tokio::join!(first, others) };
    let (first, ()) = tokio::time::timeout(PATIENCE, both)
        .await
        .expect("the end of what was killed");
    let first = first.unwrap();
    let code = first.header("x-clickhouse-exception-code");
    assert_eq!(code, Some("394"), "{}", first.text());
    // Who has heard the end of one query may ask the next at once.
    for _ in 0..200 {
        assert_eq!(look(&server, "alone", "/", "SELECT 1").await.ok(), "1\n");
    }

    // A file that says nothing readable changes nothing; the next one does.
    write_users(&users, "reader nonsense");
    write_users(&users, &line("reader", "changed", ""));
    let changed = async {
        loop {
            let target = "/?user=reader&password=changed";
            let sql = "SELECT count() FROM numbers(1001) WHERE NOT ignore(number)";
            if server.post(target, sql).await.status == 200 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, changed)
        .await
        .expect("the new password");
    assert_eq!(reader(&server, "/", "SELECT 1").await.status, 403);
}
