//! `gavel engine backup` and `restore`: while rows come in and queries run, while nobody serves, and what is refused.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hyper::Method;

use crate::server::{PATIENCE, Server, bytes, encoded, send};

/// Rows of an INSERT.
const ROWS: u64 = 1000;

/// `gavel engine ..`, to its end.
async fn gavel(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let library = crate::library::library().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gavel"));
    command.arg("engine").env("GAVEL_LIBCHDB", library);
    for argument in arguments {
        command.arg(argument);
    }
    let ran = tokio::task::spawn_blocking(move || command.output());
    ran.await.unwrap().unwrap()
}

async fn backup(data: &Path, to: &Path) -> Output {
    gavel(&[&"backup", &"--data", &data, &"--to", &to]).await
}

async fn restore(from: &Path, data: &Path) -> Output {
    gavel(&[&"restore", &"--from", &from, &"--data", &data]).await
}

#[track_caller]
fn went_well(output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

#[track_caller]
fn refused(output: &Output, code: i32, why: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(why), "{stderr}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_made_while_rows_come_in_and_queries_run() {
    let home = tempfile::tempdir().unwrap();
    let (data, to, again) = (
        home.path().join("data"),
        home.path().join("it's a backup"),
        home.path().join("again"),
    );
    let Some(server) = Server::start(&data) else {
        return;
    };
    for sql in [
        "CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id",
        "CREATE DATABASE other",
        "CREATE TABLE other.sums (bucket UInt64, n UInt64) ENGINE = SummingMergeTree ORDER BY bucket",
        "CREATE MATERIALIZED VIEW other.mv TO other.sums AS SELECT id % 10 AS bucket, 1 AS n FROM t",
        "CREATE VIEW v AS SELECT max(id) AS most FROM t",
    ] {
        server.run(sql).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let address = server.address;
    let writer = {
        let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            let target = format!("/?query={}", encoded("INSERT INTO t FORMAT RowBinary"));
            while !stop.load(Ordering::Relaxed) {
                let batch = acknowledged.load(Ordering::Relaxed);
                let ids = batch * ROWS..(batch + 1) * ROWS;
                let rows: Vec<u8> = ids.flat_map(u64::to_le_bytes).collect();
                let sent = send(address, Method::POST, &target, &[], bytes(rows)).await;
                sent.unwrap().ok();
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let query = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 0";
    let endless = tokio::spawn(async move {
        send(address, Method::POST, "/", &[], bytes(query))
            .await
            .is_ok()
    });
    let running = "SELECT count() FROM system.processes \
        WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%system.processes%'";
    server.wait_for(running, "1").await;
    let many = async {
        while acknowledged.load(Ordering::Relaxed) < 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, many).await.unwrap();

    let before = acknowledged.load(Ordering::Relaxed);
    went_well(&backup(&data, &to).await);
    let after = acknowledged.load(Ordering::Relaxed);
    assert_eq!(server.run(running).await, "1\n", "queries go on");
    assert!(after > before, "and so do inserts");
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    endless.abort();
    server.kill();

    went_well(&restore(&to, &again).await);
    let server = Server::start(&again).unwrap();
    let answer = server.run("SELECT count(), uniqExact(id) FROM t").await;
    let counts: Vec<u64> = answer
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    let rows = counts[0];
    assert_eq!(counts, [rows, rows], "no row is there twice");
    assert!(
        rows >= before * ROWS && rows <= (after + 1) * ROWS,
        "{rows}"
    );
    assert_eq!(rows % ROWS, 0, "an INSERT is there whole or not at all");
    assert_eq!(
        server.run("SELECT most FROM v").await,
        format!("{}\n", rows - 1)
    );
    let sums = server.run("SELECT sum(n) FROM other.sums").await;
    let sums: u64 = sums.trim().parse().unwrap();
    assert!(sums >= before * ROWS, "{sums}");
    // What is restored works on.
    server.run(&format!("INSERT INTO t VALUES ({rows})")).await;
    let more = server.run("SELECT sum(n) FROM other.sums").await;
    assert_eq!(more, format!("{}\n", sums + 1));
}

#[tokio::test]
async fn what_is_damaged_or_in_the_way_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let (data, to) = (at("data"), at("backup"));
    let Some(server) = Server::start(&data) else {
        return;
    };
    server
        .run("CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id")
        .await;
    server
        .run("INSERT INTO t SELECT number FROM numbers(100000)")
        .await;
    // Clients may not ask for one, nor may who lacks the key.
    let path = at("stolen").display().to_string();
    for sql in [
        format!("BACKUP ALL TO File('{path}')"),
        format!(" /* x */ backup TABLE t TO File('{path}')"),
        format!("RESTORE ALL FROM File('{path}')"),
    ] {
        let answer = server.post("/", sql).await;
        let code = answer.header("x-clickhouse-exception-code");
        assert_eq!(
            (answer.status, code),
            (500, Some("344")),
            "{}",
            answer.text()
        );
    }
    for key in [&[][..], &[("x-gavel-key", "00")][..]] {
        let answer = server.send(Method::POST, "/gavel/backup", key, path.clone());
        assert_eq!(answer.await.status, 404);
    }
    assert!(!at("stolen").exists());
    // A full directory is said before anything is asked, and a bad one by the process that is asked.
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/file"), "").unwrap();
    refused(&backup(&data, &at("full")).await, 2, "is not empty");
    refused(&backup(&data, &data.join("in")).await, 2, "inside of what");
    refused(&backup(&data, &at("no/where")).await, 2, "no directory");
    refused(&backup(&at("full"), &to).await, 2, "is no data directory");
    assert!(!at("full/gavel.lock").exists());
    server.kill();

    // Nobody serves it now.
    fs::create_dir(&to).unwrap();
    went_well(&backup(&data, &to).await);
    refused(&backup(&data, &to).await, 2, "is not empty");
    refused(&restore(&to, &data).await, 2, "is not empty");
    refused(&restore(&at("nothing"), &at("new")).await, 1, "nothing: ");

    let files = to.join("clickhouse/data/default/t/all_1_1_0");
    let (column, list) = (files.join("data.bin"), to.join("files.sha256"));
    let good = fs::read(&column).unwrap();
    let mut bent = good.clone();
    bent[1000] ^= 1;
    fs::write(&column, bent).unwrap();
    refused(
        &restore(&to, &at("new")).await,
        1,
        "data.bin is not as it was",
    );
    fs::remove_file(&column).unwrap();
    refused(&restore(&to, &at("new")).await, 1, "data.bin is missing");
    fs::write(&column, good).unwrap();
    fs::rename(&list, at("list")).unwrap();
    refused(&restore(&to, &at("new")).await, 1, "is no whole backup");
    fs::rename(at("list"), &list).unwrap();
    assert!(!at("new").exists());
    let left = fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 3, "data, full and backup");

    went_well(&restore(&to, &at("new")).await);
    let server = Server::start(&at("new")).unwrap();
    let sum = server.run("SELECT count(), sum(id) FROM t").await;
    assert_eq!(sum, "100000\t4999950000\n");
    server.kill();
    // A service makes the directory's parent: an empty directory is as good as none.
    fs::create_dir(at("empty")).unwrap();
    went_well(&restore(&to, &at("empty")).await);
}
