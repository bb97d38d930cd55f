//! `gavel demo` as somebody runs it: the object it prints, and what it leaves behind.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test of processes, which fails by panicking"
)]

mod library;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const GAVEL: &str = env!("CARGO_BIN_EXE_gavel");

#[test]
fn a_short_demo_prints_its_object_and_all_checks_hold() {
    if library::library().is_none() {
        return;
    }
    let ended = Command::new(GAVEL)
        .args([
            "demo",
            "--json",
            "--seconds",
            "3",
            "--rate",
            "8",
            "--seed",
            "3",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}\n{said}", ended.status);
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();

    let count = |pointer: &str| {
        let value = report.pointer(pointer);
        value
            .and_then(Value::as_u64)
            .unwrap_or_else(|| panic!("{pointer} in {report}"))
    };
    for pointer in [
        "/clicks",
        "/conversions",
        "/quotes/quoted",
        "/leads/sold",
        "/auction/pings",
    ] {
        assert!(count(pointer) > 0, "{pointer} in {report}");
    }
    let sum = |of: &str, parts: &[&str]| -> u64 {
        parts
            .iter()
            .map(|part| count(&format!("/{of}/{part}")))
            .sum()
    };
    assert_eq!(
        count("/quotes/pings"),
        sum("quotes", &["quoted", "no_bid", "refused"])
    );
    assert_eq!(
        count("/quotes/quoted"),
        sum("quotes", &["posted", "expired", "open"])
    );
    let ends = ["sold", "unsold", "rejected", "duplicate", "pending", "lost"];
    assert_eq!(count("/leads/received"), sum("leads", &ends));
    for table in [
        "auctions",
        "conversions",
        "credits",
        "events",
        "leads",
        "pings",
        "postbacks",
        "posts",
    ] {
        assert!(
            count(&format!("/clickhouse/rows/{table}")) > 0,
            "{table} in {report}"
        );
    }
    for text in [
        "/money/revenue",
        "/money/payout",
        "/money/margin",
        "/attribution/last_click/conversions",
        "/attribution/last_click/value",
        "/clickhouse/version",
    ] {
        assert!(
            report.pointer(text).is_some_and(Value::is_string),
            "{text} in {report}"
        );
    }
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.len() > 15);
    for check in checks {
        assert_eq!(check["ok"], true, "{check}");
    }
}

#[test]
fn an_interrupted_demo_takes_its_children_with_it() {
    if library::library().is_none() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("demo");
    let mut demo = Command::new(GAVEL)
        .args(["demo", "--seconds", "600", "--rate", "5", "--data"])
        .arg(&dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The clients' book is begun once all children work.
    until("the demo did not begin", || {
        dir.join("clients.jsonl").exists()
    });
    assert!(living_in(&dir) >= 3, "buyers, service and engine");
    let pid = rustix::process::Pid::from_child(&demo);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = demo.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    until("children outlive the demo", || living_in(&dir) == 0);
}

/// Processes that name this directory in their command line, without the demo itself.
fn living_in(dir: &Path) -> usize {
    let dir = dir.to_str().unwrap();
    let of = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| of(entry.ok()?))
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .filter(|line| line.contains(dir) && !line.contains("\0demo\0"))
        .count()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
