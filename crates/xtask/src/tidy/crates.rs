//! What may be depended on: nothing with a runtime, a socket, a clock or the machine's randomness
//! below the shells, no second TLS implementation, and crates.io as the only source.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// The pure core: the same input gives the same output, on any machine, at any time.
pub(super) const CORE: [&str; 6] = [
    "domain",
    "intake",
    "filter",
    "buyer",
    "auction",
    "attribution",
];

/// What would let the outside world into the core, however deep it sits in the tree.
const WORLDLY: [&str; 30] = [
    "async-io",
    "async-std",
    "axum",
    "chrono",
    "clickhouse",
    "coarsetime",
    "fastrand",
    "futures-timer",
    "getrandom",
    "h2",
    "hyper",
    "hyper-util",
    "libloading",
    "mio",
    "notify",
    "quanta",
    "rand",
    "rdkafka",
    "redis",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "tokio-util",
    "tonic",
    "ureq",
    "web-time",
];

/// TLS is rustls with ring; `deny.toml` says the same to cargo-deny.
const BANNED: [&str; 5] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "native-tls",
    "openssl",
    "openssl-sys",
];

pub(super) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for member in CORE {
        problems.extend(worldly(member, &shipped_tree(workspace, member)?));
    }
    problems.extend(banned(workspace));
    Ok(problems)
}

/// All crates that are linked into `member`; what only build scripts run may touch the world.
/// `cargo tree` and not the metadata, because the metadata unites the features of the whole workspace:
/// there a shell's TLS would colour the core.
fn shipped_tree(workspace: &Workspace, member: &str) -> Result<BTreeSet<String>> {
    let args = [
        "tree",
        "--package",
        member,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let tree = process::read(&mut process::cargo(workspace.root(), args))?;
    Ok(tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect())
}

fn worldly(member: &str, tree: &BTreeSet<String>) -> Vec<String> {
    WORLDLY
        .iter()
        .filter(|name| tree.contains(**name))
        .map(|name| {
            format!(
                "crates/{member}: depends on {name}, and the core may not; \
                 `cargo tree -p {member} -e normal -i {name}` shows the way"
            )
        })
        .collect()
}

fn banned(workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    for package in &workspace.metadata.packages {
        if BANNED.contains(&package.name.as_str()) {
            problems.push(format!(
                "Cargo.lock: {} is banned: TLS is rustls with ring",
                package.name
            ));
        }
        if package
            .source
            .as_ref()
            .is_some_and(|source| !source.is_crates_io())
        {
            problems.push(format!(
                "Cargo.lock: {} does not come from crates.io",
                package.name
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_in_the_core_is_named() {
        let tree = ["serde", "tokio", "tokio-macros"].map(str::to_owned).into();
        let said = worldly("auction", &tree);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("crates/auction: depends on tokio,"),
            "{said:?}"
        );
        assert!(worldly("auction", &["serde".to_owned()].into()).is_empty());
    }
}
