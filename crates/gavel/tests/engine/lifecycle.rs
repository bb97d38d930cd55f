//! Starting and ending: locks, signals, a parent that goes, usage errors.

use std::process::Stdio;

use crate::server::{Server, command};

#[tokio::test]
async fn it_ends_when_told_and_keeps_what_it_was_told() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    server
        .run("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        .await;
    server.run("INSERT INTO t VALUES (1)").await;
    assert_eq!(server.terminate().code(), Some(0));
    let server = Server::start(data.path()).unwrap();
    assert_eq!(server.run("SELECT a FROM t").await, "1\n");
    server.kill();
    let server = Server::start(data.path()).unwrap();
    assert_eq!(server.run("SELECT a FROM t").await, "1\n");
}

#[tokio::test]
async fn it_ends_with_its_parent_and_not_without_being_told() {
    let data = tempfile::tempdir().unwrap();
    let arguments = ["--exit-with-stdin"];
    let Some(server) = Server::start_with(data.path(), &arguments) else {
        return;
    };
    // A query in the middle does not keep it.
    let endless = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 0";
    let running = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'";
    let address = server.address;
    let client = tokio::spawn(async move {
        let body = crate::server::bytes(endless);
        crate::server::send(address, hyper::Method::POST, "/", &[], body)
            .await
            .is_ok()
    });
    server.wait_for(running, "1").await;
    assert_eq!(server.orphan().code(), Some(0));
    client.await.unwrap();
    // Without the option a closed standard input means nothing.
    let without = command(data.path(), &[])
        .unwrap()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut without = without.unwrap();
    let mut line = String::new();
    let stdout = without.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
    assert!(line.starts_with("ready http://"), "{line}");
    assert!(without.try_wait().unwrap().is_none());
    without.kill().unwrap();
    without.wait().unwrap();
}

#[tokio::test]
async fn a_second_process_waits_for_the_data_and_then_says_who_has_it() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let mut second = command(data.path(), &[]).unwrap();
    let second = second
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let refused = second.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains(&format!("in use by process {}", server.id())),
        "{said}"
    );
    // One that is still waiting takes over.
    let mut waiting = command(data.path(), &[]).unwrap();
    let mut waiting = waiting
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    server.kill();
    let mut line = String::new();
    let stdout = waiting.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
    assert!(line.starts_with("ready http://"), "{line}");
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}

#[test]
fn wrong_usage_is_exit_code_two() {
    let data = tempfile::tempdir().unwrap();
    let users = data.path().join("users");
    std::fs::write(&users, "somebody").unwrap();
    let Some(_) = command(data.path(), &[]) else {
        return;
    };
    for (arguments, said) in [
        (vec!["--listen", "0.0.0.0:0"], "loopback only"),
        (vec!["--users", "/nonexistent"], "users file /nonexistent"),
        (vec!["--users", users.to_str().unwrap()], "line 1: expected"),
        (vec!["--nonsense"], "unexpected argument"),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gavel"));
        command
            .args(["clickhouse", "--data"])
            .arg(data.path().join("data"));
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command
            .args(&arguments)
            .env("GAVEL_LIBCHDB", crate::library::library().unwrap());
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
    let missing = std::process::Command::new(env!("CARGO_BIN_EXE_gavel"))
        .args(["clickhouse", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .env_remove("GAVEL_LIBCHDB")
        .env("XDG_DATA_HOME", data.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        stderr.contains("gavel engine fetch") && stderr.contains("GAVEL_LIBCHDB"),
        "{stderr}"
    );
}
