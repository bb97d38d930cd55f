//! `gavel check` as an operator runs it: what is shipped is good, what is bad is named line by line.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;
use std::process::{Command, Output};

fn check(config: &Path, connections: Option<&str>) -> Output {
    let mut gavel = Command::new(env!("CARGO_BIN_EXE_gavel"));
    gavel.arg("check").arg("--config").arg(config);
    gavel.envs(connections.map(|value| ("GAVEL_LIMITS_CONNECTIONS", value)));
    gavel.output().unwrap()
}

#[test]
fn problems_are_printed_with_their_place_and_the_exit_code_says_so() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config");
    let minimal = shipped.join("embedded.minimal.toml");
    for config in [&minimal, &shipped.join("embedded.full.toml")] {
        let good = check(config, None);
        let out = String::from_utf8(good.stdout).unwrap();
        assert_eq!(good.status.code(), Some(0), "{out}");
        assert!(out.contains("is good: catalog generation"), "{out}");
    }

    let bad = check(&minimal, Some("many"));
    assert_eq!(bad.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(bad.stdout).unwrap(),
        "environment variable GAVEL_LIMITS_CONNECTIONS: limits.connections: expected a whole number\n"
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gavel.toml");
    std::fs::write(&file, "datadir = \"x\"\n[catalog]\nfile = \"none.toml\"\n").unwrap();
    let bad = check(&file, None);
    assert_eq!(bad.status.code(), Some(2));
    let out = String::from_utf8(bad.stdout).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(lines[0].ends_with("gavel.toml:1: datadir: unknown member: did you mean `data_dir`?"));
    assert!(lines[1].contains("none.toml: cannot be read"), "{out}");
}

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Each as its folder's README lays it out, with keys from where that says.
#[test]
fn the_configurations_of_compose_and_kubernetes_are_good() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let keys = ["sealing", "hashing", "quotes", "tracking"];

    let mut gavel = Command::new(env!("CARGO_BIN_EXE_gavel"));
    gavel.args(["check", "--config"]);
    gavel.arg(deploy.join("compose/gavel.toml"));
    gavel.env("GAVEL_REDIS_URL", "redis://:word@redis:6379");
    gavel.env("GAVEL_CLICKHOUSE_PASSWORD", "word");
    gavel.env("GAVEL_ADMIN_KEY", KEY);
    gavel.envs(keys.map(|key| (format!("GAVEL_SECRETS_{}", key.to_uppercase()), KEY)));
    let compose = gavel.output().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let [etc, secret] = ["gavel", "gavel-keys"].map(|name| folder.path().join(name));
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::create_dir_all(&secret).unwrap();
    let config = etc.join("gavel.toml");
    std::fs::copy(deploy.join("k8s/gavel.toml"), &config).unwrap();
    let catalog = deploy.join("catalog/auto-us.toml");
    std::fs::copy(catalog, etc.join("catalog.toml")).unwrap();
    let lines = keys.map(|key| format!("{key} = \"{KEY}\"\n"));
    std::fs::write(secret.join("keys.toml"), lines.concat()).unwrap();
    for (name, checked) in [("compose", compose), ("k8s", check(&config, None))] {
        let out = String::from_utf8(checked.stdout).unwrap();
        assert_eq!(checked.status.code(), Some(0), "{name}: {out}");
    }
}
