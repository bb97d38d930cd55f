//! Encryption, and a user of Redis who may do no more than the store needs.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use domain::CounterKey;
use servers::{Port, REDIS};
use store::{Backend as _, Caps as _, Journeys as _};
use store_local::{Local, LocalOptions};
use store_redis::{Health, OpenError, Redis, RedisOptions};
use testkit::FakeClock;

/// What `docs/guides/operator.md` tells an operator to allow.
const USER: &str = "on >right ~{gavel.* -@all +@read +@write +@scripting +@connection +info +time";

/// The server's key, and a certificate that is its own authority, as `key.pem` and `server.pem`.
fn certificate(dir: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(dir);
    openssl.args(
        "req -x509 -newkey rsa:2048 -nodes -days 30 -keyout key.pem -out server.pem".split(' '),
    );
    openssl.args([
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    let made = openssl.output().unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_goes_through_tls_for_who_has_the_password_and_trusts_the_server() {
    let Some(binary) = REDIS.find() else { return };
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path());
    let file = |name: &str| dir.path().join(name).display().to_string();
    let users = format!("user default off\nuser gavel {USER}\n");
    std::fs::write(dir.path().join("users.acl"), users).unwrap();
    let held = Port::hold().unwrap();
    let secure = held.addr();
    let (port, key, server) = (
        held.number().to_string(),
        file("key.pem"),
        file("server.pem"),
    );
    let users = file("users.acl");
    let arguments = [
        ["--tls-port", &port],
        ["--tls-cert-file", &server],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &server],
        ["--tls-auth-clients", "no"],
        ["--aclfile", &users],
        ["--appendonly", "no"],
    ];
    let redis = dir.path().join("redis");
    let server = servers::Redis::start_with(&binary, &redis, arguments.as_flattened()).unwrap();

    let options = |who: &str, trusted: bool| RedisOptions {
        url: format!("rediss://{who}@{secure}"),
        authorities: trusted.then(|| dir.path().join("server.pem")),
        connect_within: Duration::from_secs(30),
        answer_within: Duration::from_secs(30),
        ..RedisOptions::default()
    };
    let log = Local::open(LocalOptions::default(), FakeClock::default().port()).unwrap();
    let redis = Redis::open(options("gavel:right", true)).await.unwrap();
    let made = redis.make_again(log.log(), Duration::ZERO).await;
    assert_eq!(made, Ok(Some(0)));
    assert_eq!(
        redis.until(|health| *health == Health::Up).await,
        Health::Up
    );
    let counter: CounterKey = "c:buyer-1/contract-1/total".parse().unwrap();
    assert_eq!(redis.caps().used(&[counter]).await, Ok(vec![0]));
    assert!(redis.journeys().apply(Vec::new(), (0, 1), 0).await.is_ok());
    assert_eq!(redis.journeys().through(0).await, Ok(1));

    let clear = RedisOptions {
        url: server.url(),
        ..RedisOptions::default()
    };
    let missing = RedisOptions {
        authorities: Some(dir.path().join("nobody.pem")),
        ..options("gavel:right", true)
    };
    assert!(matches!(
        Redis::open(missing).await,
        Err(OpenError::Authorities { .. })
    ));
    for (refused, why) in [
        (
            options("gavel:wrong", true),
            "Password authentication failed",
        ),
        (options("gavel:right", false), "certificate"),
        (clear, "Authentication required"),
    ] {
        match Redis::open(refused).await {
            Err(OpenError::Away(said)) => {
                assert!(said.contains(why), "{said}");
                assert!(!said.contains("right") && !said.contains("wrong"), "{said}");
            }
            other => panic!("{other:?}"),
        }
    }
}
