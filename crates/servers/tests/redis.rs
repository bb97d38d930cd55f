//! A real Redis does what a fault run asks of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use servers::{REDIS, Redis};

/// What it answers to one line, or nothing within `patience`.
fn ask(redis: &Redis, line: &str, patience: Duration) -> Option<String> {
    let mut connection = TcpStream::connect(redis.addr()).ok()?;
    connection.set_read_timeout(Some(patience)).ok()?;
    connection
        .write_all(format!("{line}\r\n").as_bytes())
        .ok()?;
    let mut answer = [0; 64];
    let read = connection.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..read]).trim().to_owned())
}

const SOON: Duration = Duration::from_secs(20);
const A_MOMENT: Duration = Duration::from_millis(50);

#[test]
fn it_is_killed_stopped_and_started_again_where_it_was() {
    let Some(binary) = REDIS.find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut redis = Redis::start(&binary, dir.path()).unwrap();
    assert_eq!(ask(&redis, "SET k v", SOON).as_deref(), Some("+OK"));

    redis.stop().unwrap();
    assert_eq!(ask(&redis, "GET k", A_MOMENT), None);
    redis.go_on().unwrap();
    assert_eq!(ask(&redis, "GET k", SOON).as_deref(), Some("$1\r\nv"));

    let addr = redis.addr();
    redis.kill().unwrap();
    assert!(TcpStream::connect(addr).is_err(), "nobody listens");
    assert!(redis.stop().is_err());
    redis.start_again().unwrap();
    assert_eq!(redis.addr(), addr);
    assert_eq!(ask(&redis, "GET k", SOON).as_deref(), Some("$1\r\nv"));

    drop(redis);
    assert!(TcpStream::connect(addr).is_err(), "nobody listens");
}

#[test]
fn one_that_does_not_start_says_why() {
    let Some(binary) = REDIS.find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let wrong = Redis::start_with(&binary, dir.path(), &["--no-such-setting", "1"]);
    let said = wrong.unwrap_err().to_string();
    assert!(said.contains("no-such-setting"), "{said}");
}
