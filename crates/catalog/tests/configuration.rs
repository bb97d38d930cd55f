//! Every problem of a configuration, wherever it was written: file, environment, flags, secrets.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use catalog::{Overrides, check};
use expect_test::{Expect, expect};
use support::{GOOD, lines, problems_of};

/// Checks a config file beside the good catalog.
fn config(text: &str, flags: &[(&str, &str)], expect: Expect) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.toml"), GOOD).unwrap();
    let file = folder.path().join("gavel.toml");
    std::fs::write(&file, text).unwrap();
    let overrides = Overrides {
        env: BTreeMap::from([("GAVEL_LIMITS_CONNECTIONS".to_owned(), "many".to_owned())]),
        flags: flags
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    let shown = lines(&check(&file, &overrides));
    expect.assert_eq(&shown.replace(&folder.path().display().to_string(), "DIR"));
}

#[test]
fn configuration() {
    assert_eq!(problems_of(GOOD), "good");
    config(
        "",
        &[],
        expect![[r#"
        DIR/gavel.toml:1: `catalog` is missing
        environment variable GAVEL_LIMITS_CONNECTIONS: limits.connections: expected a whole number"#]],
    );
    config(
        "[catalog]\nfile = \"none.toml\"\n",
        &[("limits.connections", "5")],
        expect!["DIR/none.toml: cannot be read: No such file or directory (os error 2)"],
    );
    config(
        "[catalog]\nfile = \"good.toml\"\n",
        &[],
        expect![
            "environment variable GAVEL_LIMITS_CONNECTIONS: limits.connections: expected a whole number"
        ],
    );
    config(
        "[catalog]\nfile = \"good.toml\"\n",
        &[
            ("limits.connections", "5"),
            ("limits.request", "5"),
            ("limits.lease", "500ms"),
            ("log.retention", "week"),
        ],
        expect![[r#"
            flags: limits.request: no such setting: did you mean `limits.requests`?
            flags: limits.lease: expected a time from "1s" to "10m"
            flags: log.retention: expected a time span like "150ms", "2s", "5m", "24h" or "30d""#]],
    );
    config(
        r#"
data_dir = ""
datadir = "x"
fallback_url = "example.com"
[listen]
public = "localhost"
operator = 9090
[catalog]
file = "good.toml"
[engine]
listen = "127.0.0.1:99999"
[clickhouse]
user = "u"
[secrets]
sealing = "00"
[log]
reserve = "1 GB"
[limits]
requests = 0
read_timeout = 10
[admin]
keys = ["short", "sha256:00"]
"#,
        &[("limits.connections", "5")],
        expect![[r#"
            DIR/gavel.toml:2: data_dir: expected a path
            DIR/gavel.toml:3: datadir: unknown member: did you mean `data_dir`?
            DIR/gavel.toml:4: fallback_url: expected a URL: relative URL without a base
            DIR/gavel.toml:6: listen.public: expected an address and port like "127.0.0.1:8080"
            DIR/gavel.toml:7: listen.operator: expected text, found a number
            DIR/gavel.toml:11: engine.listen: expected an address and port like "127.0.0.1:8080"
            DIR/gavel.toml:12: clickhouse: `url` is missing
            DIR/gavel.toml:14: secrets: `hashing` is missing
            DIR/gavel.toml:14: secrets: `quotes` is missing
            DIR/gavel.toml:14: secrets: `tracking` is missing
            DIR/gavel.toml:15: secrets.sealing: expected 64 lower-case hex digits
            DIR/gavel.toml:17: log.reserve: expected a size like "512B", "64KiB" or "256MiB"
            DIR/gavel.toml:19: limits.requests: expected a number from 1 to 1000000, found 0
            DIR/gavel.toml:20: limits.read_timeout: expected text, found a number
            DIR/gavel.toml:22: admin.keys[0]: a key has at least 16 characters
            DIR/gavel.toml:22: admin.keys[1]: expected 64 lower-case hex digits after `sha256:`"#]],
    );
    config(
        r#"
[catalog]
file = "good.toml"
[kafka]
brokers = "kafka"
prefix = "my prefix"
partitions = 0
authorities = "ca.pem"
password = "secret"
[redis]
url = "http://127.0.0.1:6379"
"#,
        &[("kafka.mechanism", "sha")],
        expect![[r#"
            DIR/gavel.toml:4: kafka: `authorities` are for `tls = true`
            DIR/gavel.toml:5: kafka.brokers: expected brokers like "kafka-1:9092,kafka-2:9092"
            DIR/gavel.toml:6: kafka.prefix: expected at most 64 letters, digits, `.`, `_` and `-`
            DIR/gavel.toml:7: kafka.partitions: expected a number from 1 to 1024, found 0
            DIR/gavel.toml:11: redis.url: expected an address like "redis://127.0.0.1:6379"
            environment variable GAVEL_LIMITS_CONNECTIONS: limits.connections: expected a whole number
            flags: kafka.mechanism: expected one of plain, scram-sha-256, scram-sha-512, found `sha`"#]],
    );
    config(
        r#"
[catalog]
file = "good.toml"
[clickhouse]
url = "http://127.0.0.1:8123"
password = "a"
password_file = "good.toml"
authorities = "good.toml"
quorum = 0
[log]
retention = "40d"
[tables]
events = "39d"
auctions = "1h"
"#,
        &[("limits.connections", "5")],
        expect![[r#"
            DIR/gavel.toml:7: clickhouse.password_file: there is a `password` as well
            DIR/gavel.toml:8: clickhouse.authorities: `authorities` are for an `https://` address
            DIR/gavel.toml:9: clickhouse.quorum: expected a number from 1 to 9, found 0
            DIR/gavel.toml:13: tables.events: expected at least 30d, and no less than `log.retention`
            DIR/gavel.toml:14: tables.auctions: expected at least 30d, and no less than `log.retention`"#]],
    );
    for (alone, at) in [
        (
            "[kafka]\nbrokers = \"h:1\"",
            expect!["DIR/gavel.toml:3: kafka: Kafka and Redis come together: `[redis]` is missing"],
        ),
        (
            "[redis]\nurl = \"redis://h\"",
            expect!["DIR/gavel.toml:3: redis: Kafka and Redis come together: `[kafka]` is missing"],
        ),
        (
            "[kafka]\nbrokers = \"h:1\"\n[redis]\nurl = \"redis://h\"\nauthorities = \"ca.pem\"",
            expect![
                "DIR/gavel.toml:5: redis: `authorities` are for an address that begins with `rediss://`"
            ],
        ),
        (
            "[kafka]\nbrokers = \"h:1\"\n[redis]\nurl = \"redis://h\"",
            expect![
                "DIR/gavel.toml:1: nodes that share Kafka and Redis share their keys: `[secrets]` is missing"
            ],
        ),
    ] {
        config(
            &format!("[catalog]\nfile = \"good.toml\"\n{alone}\n"),
            &[("limits.connections", "5")],
            at,
        );
    }
    config(
        "[catalog]\nfile = \"good.toml\"\n[secrets]\nfile = \"none\"\nsealing = \"\"\n",
        &[("limits.connections", "5")],
        expect![[r#"
            DIR/gavel.toml:4: secrets.file: cannot read DIR/none
            DIR/gavel.toml:5: secrets.sealing: unknown member"#]],
    );
}

#[test]
fn a_password_and_authorities_in_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("good.toml"), GOOD).unwrap();
    std::fs::write(path("password"), "a secret \r\n").unwrap();
    std::fs::write(path("ca.pem"), "certificates").unwrap();
    let text = "[catalog]\nfile = \"good.toml\"\n[clickhouse]\nurl = \"https://h\"\npassword_file = \"password\"\n\
        authorities = \"ca.pem\"\nquorum = 1\n[tables]\nauctions = \"30d\"\n";
    std::fs::write(path("gavel.toml"), text).unwrap();
    let (config, _) = catalog::load(&path("gavel.toml"), &Overrides::default()).unwrap();
    let server = config.clickhouse.unwrap();
    assert_eq!(server.password.0, "a secret ");
    assert_eq!(server.authorities.as_deref(), Some(&b"certificates"[..]));
    assert_eq!(server.quorum, Some(1));
    assert!(!format!("{server:?}").contains("a secret"));
    let month = std::time::Duration::from_secs(30 * 86_400);
    assert_eq!(
        (config.keep.events, config.keep.auctions),
        (None, Some(month))
    );

    std::fs::remove_file(path("password")).unwrap();
    let shown = lines(&check(&path("gavel.toml"), &Overrides::default()));
    assert!(
        shown.contains("clickhouse.password_file: cannot read"),
        "{shown}"
    );
}

#[test]
fn secrets_in_a_file_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let key = "0f".repeat(32);
    let keys: String = ["sealing", "hashing", "quotes", "tracking"]
        .map(|name| format!("{name} = \"{key}\"\n"))
        .concat();
    std::fs::write(folder.path().join("good.toml"), GOOD).unwrap();
    std::fs::write(
        folder.path().join("secrets.toml"),
        format!("key_id = 7\n{keys}"),
    )
    .unwrap();
    let file = folder.path().join("gavel.toml");
    let text = "[catalog]\nfile = \"good.toml\"\n[secrets]\nfile = \"secrets.toml\"\n";
    std::fs::write(&file, text).unwrap();
    let (config, _) = catalog::load(&file, &Overrides::default()).unwrap();
    assert_eq!(config.data_dir, Path::new("gavel-data"));
    let secrets = config.secrets.unwrap();
    assert_eq!((secrets.key_id, secrets.quotes.0), (7, [0x0f; 32]));
    assert!(!format!("{secrets:?}").contains("15"), "keys are not shown");

    // A bad file is named, its content is not.
    std::fs::write(
        folder.path().join("secrets.toml"),
        format!("sealing = {key}"),
    )
    .unwrap();
    let shown = lines(&check(&file, &Overrides::default()));
    assert!(
        shown.contains("is no TOML document") && !shown.contains(&key),
        "{shown}"
    );
}
