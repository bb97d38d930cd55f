//! The README's walk-through, run as printed: each ```` ```sh ```` block in one shell, and what it
//! prints compared with the ```` ```text ```` block that follows it, in which `…` stands for anything.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test of processes, which fails by panicking"
)]

mod library;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const HEADING: &str = "## A walk through it";
/// Printed between blocks, so that output can be told apart.
const MARK: &str = "----- end of block";

struct Block {
    commands: String,
    expected: Option<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn blocks(readme: &str) -> Vec<Block> {
    let walk = readme
        .split(HEADING)
        .nth(1)
        .expect("the README has its walk-through");
    let walk = walk.split("\n## ").next().unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    for fenced in walk.split("\n```").collect::<Vec<_>>().chunks(2) {
        let [_, code] = fenced else { continue };
        let (language, code) = code.split_once('\n').unwrap_or((code, ""));
        match language {
            "sh" => blocks.push(Block {
                commands: code.to_owned(),
                expected: None,
            }),
            "text" => blocks.last_mut().unwrap().expected = Some(code.to_owned()),
            other => panic!("a block of {other:?} in the walk-through"),
        }
    }
    blocks
}

/// Whether `text` is `pattern`, where `…` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[test]
fn an_ellipsis_stands_for_anything_and_nothing_else_does() {
    assert!(
        matches("a…c", "abbc")
            && matches("a…", "a")
            && matches("abc", "abc")
            && matches("…b…", "abc")
    );
    assert!(!matches("a…c", "abb") && !matches("abc", "abcd") && !matches("b…", "abc"));
}

#[test]
fn the_walk_through_does_what_it_prints() {
    if library::library().is_none() || !curl() {
        return;
    }
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let blocks = blocks(&readme);
    assert!(blocks.len() >= 6, "{} blocks", blocks.len());
    // Relative paths of the walk-through are those of a checkout, and what it writes is thrown away.
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("deploy"), folder.path().join("deploy")).unwrap();
    let mut script = "set -euo pipefail\n".to_owned();
    for block in &blocks {
        script.push_str(&block.commands);
        script.push_str(&format!("\necho '{MARK}'\n"));
    }
    let bin = Path::new(env!("CARGO_BIN_EXE_gavel")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    // `timeout` ends the whole group: a walk-through that hangs leaves nothing running.
    let mut shell = Command::new("timeout")
        .args(["--kill-after=5", "300", "bash"])
        .current_dir(folder.path())
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = shell.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let log = std::fs::read_to_string(folder.path().join("gavel.log")).unwrap_or_default();
    assert!(
        output.status.success(),
        "{}\n{printed}\nthe service said:\n{log}",
        output.status
    );
    for (block, printed) in blocks.iter().zip(printed.split(&format!("{MARK}\n"))) {
        if let Some(expected) = &block.expected {
            assert!(
                matches(expected.trim_end(), printed.trim_end()),
                "after\n{}\nexpected\n{expected}\nprinted\n{printed}",
                block.commands
            );
        }
    }
    // An engine that comes up slowly is waited for, and that is said.
    let waits = |line: &&str| {
        line.contains(" WARN ")
            && line.contains("the worker pauses and tries again step=\"prepare\"")
    };
    let warns = |line: &&str| line.contains(" WARN ") || line.contains(" ERROR ");
    let warned = log.lines().filter(|line| warns(line) && !waits(line));
    assert_eq!(warned.count(), 0, "the service warned:\n{log}");
}

/// Whether curl is there, or a skip said aloud.
fn curl() -> bool {
    let found = Command::new("curl").arg("--version").output().is_ok();
    assert!(
        found || std::env::var_os("CI").is_none(),
        "curl must be there in CI"
    );
    if !found {
        eprintln!("SKIPPED: curl is missing");
    }
    found
}
