//! Users with few rights: what a reader tries, what limits hold, and a users file that changes.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::Access;
use engine::users::User;
use hyper::Method;

use crate::server::{Answer, PATIENCE, Server, bytes, encoded};

/// Statements that write, or reach outside: a file with a secret is at `{file}`.
const ATTEMPTS: [&str; 68] = [
    "INSERT INTO t VALUES (2)",
    "INSERT INTO t FORMAT CSV\n2",
    "INSERT INTO t SELECT 2",
    "INSERT INTO FUNCTION file('{file}.new', 'CSV', 'a UInt8') VALUES (2)",
    "INSERT INTO FUNCTION null('a UInt8') VALUES (2)",
    "INSERT INTO t FROM INFILE '{file}' FORMAT CSV",
    "CREATE TABLE u (a UInt8) ENGINE = Memory",
    "CREATE TABLE u ENGINE = Memory AS SELECT 1",
    "CREATE TABLE u (a String) ENGINE = File(LineAsString, '{file}')",
    "CREATE TABLE u (a String) ENGINE = URL('http://127.0.0.1:1/', LineAsString)",
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
    "SELECT * FROM url('http://127.0.0.1:1/', LineAsString)",
    "DESCRIBE TABLE url('http://127.0.0.1:1/')",
    "SELECT * FROM s3('http://127.0.0.1:1/b/k', LineAsString)",
    "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM mongodb('127.0.0.1:1', 'd', 't', 'u', 'p', 'a UInt8')",
    "SELECT * FROM redis('127.0.0.1:1', 'k', 'k String, v String')",
    "SELECT * FROM sqlite('{file}', 't')",
    "SELECT * FROM executable('cat', LineAsString, 'a String')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', LineAsString, 'a String')",
    "SELECT * FROM deltaLake('http://127.0.0.1:1/x')",
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

static SENT: AtomicU32 = AtomicU32::new(0);

async fn reader(server: &Server, target: &str, body: &str) -> Answer {
    SENT.fetch_add(1, Ordering::Relaxed);
    let named = [
        ("x-clickhouse-user", "reader"),
        ("x-clickhouse-key", "look"),
    ];
    let answer = server
        .send(Method::POST, target, &named, body.to_owned())
        .await;
    assert!(
        !answer.text().contains(SECRET),
        "{target} {body}: {}",
        answer.text()
    );
    answer
}

fn write_users(file: &Path, reader: &str) {
    let worker = User::new("worker", "write", Access::ReadWrite).line();
    // Whole under another name first: the server may look at any moment.
    let draft = file.with_extension("new");
    std::fs::write(&draft, format!("{worker}{reader}\n")).unwrap();
    std::fs::rename(draft, file).unwrap();
}

fn line(password: &str, limits: &str) -> String {
    let line = User::new("reader", password, Access::ReadOnly).line();
    format!("{} {limits}", line.trim_end())
}

#[tokio::test]
async fn a_reader_neither_writes_nor_leaves_the_engine() {
    let data = tempfile::tempdir().unwrap();
    let users = data.path().join("users");
    write_users(&users, &line("look", "max_execution_time=60"));
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
    let file = secret.to_str().unwrap();
    let mut failures = Vec::new();
    for attempt in ATTEMPTS {
        let text = attempt.replace("{file}", file);
        let harmless = text.replace("SELECT", "SELECT /* */");
        for (target, body) in [
            ("/".to_owned(), text.clone()),
            ("/?session_id=s".to_owned(), harmless),
            (format!("/?query={}", encoded(&text)), String::new()),
            ("/?readonly=0".to_owned(), text.clone()),
        ] {
            let answer = reader(&server, &target, &body).await;
            if answer.status == 200 {
                failures.push(format!("{target} {body}: {}", answer.text()));
            }
        }
    }
    for (name, value) in SETTINGS {
        let value = value.replace("{file}", file);
        for (target, body) in [
            (
                format!("/?{name}={}", encoded(&value)),
                "INSERT INTO t VALUES (2)".to_owned(),
            ),
            (
                "/".to_owned(),
                format!("SELECT 1 SETTINGS {name} = '{value}'"),
            ),
            (
                "/".to_owned(),
                format!("SELECT * FROM (SELECT 1 SETTINGS {name} = '{value}')"),
            ),
            (
                "/?session_id=s".to_owned(),
                format!("SET {name} = '{value}'"),
            ),
        ] {
            let answer = reader(&server, &target, &body).await;
            if answer.status == 200 {
                failures.push(format!("{target} {body}: {}", answer.text()));
            }
        }
    }
    assert!(failures.is_empty(), "went well:\n{}", failures.join("\n"));
    assert!(SENT.load(Ordering::Relaxed) >= 300);
    // What it may: read, and say how.
    let answer = reader(
        &server,
        "/?max_execution_time=5&max_threads=1",
        "SELECT sum(a) FROM t",
    )
    .await;
    assert_eq!(answer.ok(), "1\n");
    let answer = reader(&server, "/?session_id=s", "USE system").await;
    let moved = reader(&server, "/?session_id=s", "SELECT currentDatabase()").await;
    assert_eq!((answer.status, moved.ok().as_str()), (200, "system\n"));
    assert!(!data.path().join("secret.new").exists());
}

#[tokio::test]
async fn limits_hold_and_a_changed_file_is_in_force_at_once() {
    let data = tempfile::tempdir().unwrap();
    let users = data.path().join("users");
    write_users(
        &users,
        &line(
            "look",
            "max_rows_to_read=1000 max_memory_usage=100000000 max_execution_time=1 max_concurrent_queries_for_user=1",
        ),
    );
    let directory = data.path().join("data");
    let Some(server) = Server::start_with(&directory, &["--users", users.to_str().unwrap()]) else {
        return;
    };
    for (target, sql, code) in [
        (
            "/",
            "SELECT count() FROM numbers(1001) WHERE NOT ignore(number)",
            "158",
        ),
        ("/?max_rows_to_read=1001", "SELECT 1", "452"),
        ("/?max_rows_to_read=0", "SELECT 1", "452"),
        ("/?max_memory_usage=100000001", "SELECT 1", "452"),
        (
            "/",
            "SELECT sleepEachRow(1) FROM numbers(5) SETTINGS max_block_size = 1",
            "164",
        ),
        (
            "/?max_block_size=1",
            "SELECT sleepEachRow(1) FROM numbers(5)",
            "159",
        ),
        (
            "/",
            "SELECT length(repeat('x', 1000000)) FROM numbers(900) WHERE length(groupArray(repeat('x', 1000000))) > 0",
            "184",
        ),
        (
            "/",
            "SELECT length(groupArray(repeat('x', 1000000))) FROM numbers(900)",
            "241",
        ),
    ] {
        let answer = reader(&server, target, sql).await;
        let seen = answer.header("x-clickhouse-exception-code");
        assert_eq!(seen, Some(code), "{target} {sql}: {}", answer.text());
    }
    let named = [
        ("x-clickhouse-user", "reader"),
        ("x-clickhouse-key", "look"),
    ];
    let slow = "SELECT sleepEachRow(0.9) FROM numbers(1)";
    let first = server.try_send(Method::POST, "/", &named, bytes(slow));
    let others = async {
        let running = "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%' AND query NOT LIKE '%processes%'";
        let worker = "/?user=worker&password=write";
        while server.post(worker, running).await.ok() != "1\n" {}
        let second = reader(&server, "/", "SELECT 1").await;
        assert_eq!(second.header("x-clickhouse-exception-code"), Some("202"));
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!(first.unwrap().ok(), "0\n");
    // Who has heard the end of one query may ask the next at once.
    for _ in 0..200 {
        assert_eq!(reader(&server, "/", "SELECT 1").await.ok(), "1\n");
    }

    // A file that says nothing readable changes nothing; the next one does.
    write_users(&users, "reader nonsense");
    write_users(&users, &line("changed", ""));
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
