//! What may be depended on: nothing with a runtime, a socket, a clock or the machine's randomness
//! below the shells, no second TLS implementation, and crates.io as the only source.

use std::collections::BTreeSet;

use anyhow::Result;
use cargo_metadata::PackageId;

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
const BANNED: [&str; 4] = ["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl"];

/// Kafka's own client knows no other TLS, behind a feature that is off unless asked for: who else has it
/// is told off.
const OPENSSL: (&str, &str) = ("openssl-sys", "rdkafka-sys");

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
        let (openssl, its_user) = OPENSSL;
        if package.name.as_str() != its_user && uses(workspace, &package.id, openssl) {
            problems.push(format!(
                "Cargo.lock: {} uses {openssl}: TLS is rustls with ring",
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

/// Whether a package has another one linked in directly.
fn uses(workspace: &Workspace, package: &PackageId, other: &str) -> bool {
    let resolved = workspace.metadata.resolve.as_ref();
    let mut nodes = resolved.into_iter().flat_map(|resolve| &resolve.nodes);
    let node = nodes.find(|node| node.id == *package);
    node.is_some_and(|node| {
        node.dependencies
            .iter()
            .any(|id| workspace.metadata[id].name.as_str() == other)
    })
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
