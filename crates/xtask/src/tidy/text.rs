//! What may not stand in a file of this repo, line by line, and how a source file has to look.

use std::path::Path;

use anyhow::Result;

use super::crates::CORE;
use crate::process;

/// Above this a source file hides more than one concept.
const MAX_LINES: usize = 600;

/// Marks of work that is not done. Put together here, so that this file does not find itself.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[", "ignore"),
];

/// Folders that exist on the machine of whoever wrote the line, and not on the reader's.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
];

/// One file of the repo: its path from the root and its text.
struct File {
    path: String,
    text: String,
}

/// The problems of all files that git tracks or would track.
pub(super) fn problems(root: &Path) -> Result<Vec<String>> {
    Ok(files(root)?.iter().flat_map(file_problems).collect())
}

fn files(root: &Path) -> Result<Vec<File>> {
    let args = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let listing = process::read(&mut process::command(root, "git", args))?;
    let paths = listing.split('\0').filter(|path| !path.is_empty());
    // What is listed but gone is being deleted, what is not UTF-8 is a picture or a recorded body.
    let read = |path: &str| {
        let text = std::fs::read_to_string(root.join(path)).ok()?;
        Some(File {
            path: path.to_owned(),
            text,
        })
    };
    Ok(paths.filter_map(read).collect())
}

fn file_problems(file: &File) -> Vec<String> {
    let mut problems = Vec::new();
    if file.path.ends_with(".lock") {
        return problems;
    }
    for (number, line) in file.text.lines().enumerate() {
        let found = unfinished(line).chain(machine_paths(line));
        problems.extend(found.map(|what| format!("{}:{}: {what}", file.path, number + 1)));
    }
    problems.extend(whole_file(file).map(|what| format!("{}: {what}", file.path)));
    problems
}

fn unfinished(line: &str) -> impl Iterator<Item = String> + '_ {
    UNFINISHED
        .iter()
        .filter(|mark| stands_alone(line, mark))
        .map(|mark| format!("`{mark}` is work not done: do it, or open an issue"))
}

fn machine_paths(line: &str) -> impl Iterator<Item = String> + '_ {
    MACHINE_PATHS
        .iter()
        .filter(|path| starts_a_word(line, path))
        .map(|path| format!("`{path}..` is a path of one machine"))
}

/// Whether `word` stands in `line` with no letter or digit right before or after it.
fn stands_alone(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        ends_clear(&line[..at]) && !line[at + word.len()..].starts_with(char::is_alphanumeric)
    })
}

/// Whether `word` stands in `line` and is not the middle of something longer, as in a URL.
fn starts_a_word(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| ends_clear(&line[..at]))
}

fn ends_clear(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_alphanumeric() || "_.-}$>".contains(c))
}

fn whole_file(file: &File) -> impl Iterator<Item = String> {
    let source = file.path.ends_with(".rs");
    let lines = file.text.lines().count();
    let head = file.text.trim_start();
    let core_root = CORE
        .iter()
        .any(|name| file.path == format!("crates/{name}/src/lib.rs"));
    let npm_lock = file.path.ends_with("package-lock.json");
    [
        (source && lines > MAX_LINES).then(|| format!("{lines} lines, more than {MAX_LINES}")),
        (source && !head.starts_with("//!"))
            .then(|| "does not start with `//!`: what it is and why".to_owned()),
        (core_root && !file.text.contains("#![forbid(unsafe_code)]"))
            .then(|| "a core crate without `#![forbid(unsafe_code)]`".to_owned()),
        (npm_lock && file.text.contains("\"resolved\""))
            .then(|| "names the hosts it was made from: drop `resolved`".to_owned()),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, text: &str) -> Vec<String> {
        file_problems(&File {
            path: path.to_owned(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn every_mark_of_unfinished_work_is_found() {
        for mark in UNFINISHED {
            let text = format!("//! Head.\n\nfn f() {{ {mark} }}\n");
            let found = said("crates/edge/src/x.rs", &text);
            assert_eq!(found.len(), 1, "{mark}: {found:?}");
            assert!(
                found[0].starts_with("crates/edge/src/x.rs:3: "),
                "{found:?}"
            );
        }
        assert!(said("docs/x.md", "mastodon, TODOS, prefixmethod").is_empty());
    }

    #[test]
    fn paths_of_a_machine_are_found_and_urls_are_not() {
        for path in MACHINE_PATHS {
            assert_eq!(
                said("a.md", &format!("see `{path}me/x`")).len(),
                1,
                "{path}"
            );
            assert!(
                said("a.md", &format!("https://a.example{path}page")).is_empty(),
                "{path}"
            );
            assert!(
                said("a.md", &format!("$PREFIX{path}x and {{dir}}{path}x")).is_empty(),
                "{path}"
            );
        }
    }

    #[test]
    fn a_source_file_has_a_head_and_an_end() {
        assert_eq!(
            said("x.rs", "fn f() {}\n"),
            ["x.rs: does not start with `//!`: what it is and why"]
        );
        let long = "//! Head.\n".to_owned() + &"\n".repeat(MAX_LINES);
        assert_eq!(said("x.rs", &long), ["x.rs: 601 lines, more than 600"]);
        assert!(said("x.md", &long).is_empty());
    }

    #[test]
    fn the_core_forbids_unsafe_code() {
        let path = "crates/auction/src/lib.rs";
        assert_eq!(said(path, "//! Head.\n").len(), 1);
        assert!(said(path, "//! Head.\n#![forbid(unsafe_code)]\n").is_empty());
        assert!(said("crates/auction/src/select.rs", "//! Head.\n").is_empty());
    }

    #[test]
    fn an_npm_lock_names_no_host() {
        assert_eq!(
            said("crates/engine/package-lock.json", "{\"resolved\": \"x\"}").len(),
            1
        );
        assert!(said("crates/engine/package-lock.json", "{\"integrity\": \"x\"}").is_empty());
    }
}
