//! Programs of the system that a command needs beside Rust: installed where we may, else named.
//!
//! The shipped binary never calls a package manager; this command does, and only as root on Debian.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::process;

/// A program, and the Debian package that brings it.
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    /// What it does without complaint if all of it is there; nothing where the program is all.
    pub(crate) proof: &'static [&'static str],
    pub(crate) package: &'static str,
    pub(crate) needed_for: &'static str,
}

impl Tool {
    fn is_there(&self) -> bool {
        process::installed(self.program)
            && (self.proof.is_empty() || process::succeeds(self.program, self.proof))
    }
}

/// Fetches the ClickHouse engine as a package with a checked hash.
pub(crate) const NPM: Tool = Tool {
    program: "npm",
    proof: &[],
    package: "npm",
    needed_for: "fetching the embedded ClickHouse engine",
};

/// A client that is not ours: the README's walk-through is run with it.
pub(crate) const CURL: Tool = Tool {
    program: "curl",
    proof: &[],
    package: "curl",
    needed_for: "the test of the README's walk-through",
};

/// Loads the tag as a page's visitor does.
const CHROMIUM: Tool = Tool {
    program: "chromium",
    proof: &[],
    package: "chromium",
    needed_for: "the test of the tag in a real browser",
};

/// Holds the shared state of several nodes: its tests start servers of their own.
const REDIS: Tool = Tool {
    program: "redis-server",
    proof: &[],
    package: "redis-server",
    needed_for: "the tests of the cluster's shared state",
};

/// Makes a Debian root folder from nothing.
pub(crate) const DEBOOTSTRAP: Tool = Tool {
    program: "debootstrap",
    proof: &[],
    package: "debootstrap",
    needed_for: "making a clean room",
};

/// What the machine has after we tried.
pub(crate) enum Presence {
    /// Every tool is there.
    Complete,
    /// Some are not, and we may not install them; how to get them has been printed.
    Lacking,
}

/// Makes sure that the tools are there: as root on Debian it installs what is missing, elsewhere it
/// prints the line to type.
pub(crate) fn ensure(tools: &[Tool]) -> Result<Presence> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !tool.is_there()).collect();
    if missing.is_empty() {
        return Ok(Presence::Complete);
    }
    for tool in &missing {
        eprintln!(
            "{} is missing: it is needed for {}",
            tool.program, tool.needed_for
        );
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    if !(is_root() && process::installed("apt-get")) {
        eprintln!(
            "type: sudo apt-get install -y --no-install-recommends {}",
            packages.join(" ")
        );
        return Ok(Presence::Lacking);
    }
    apt_get(&["update", "-q"])?;
    let mut install = vec!["install", "-y", "-q", "--no-install-recommends"];
    install.extend(packages);
    without_services(|| apt_get(&install))?;
    Ok(Presence::Complete)
}

/// Makes sure that there is a browser: the caller's own, or Debian's.
pub(crate) fn ensure_browser() -> Result<Presence> {
    match named_by("GAVEL_TEST_CHROMIUM")? {
        Some(_) => Ok(Presence::Complete),
        None => ensure(&[CHROMIUM]),
    }
}

/// Makes sure that there is a Redis to start: the caller's own, or Debian's.
pub(crate) fn ensure_redis() -> Result<Presence> {
    match named_by("GAVEL_TEST_REDIS")? {
        Some(_) => Ok(Presence::Complete),
        None => ensure(&[REDIS]),
    }
}

/// The caller's own file, where a variable of the environment names one.
pub(crate) fn named_by(variable: &str) -> Result<Option<PathBuf>> {
    let file = std::env::var_os(variable).map(PathBuf::from);
    match file {
        Some(file) if !file.is_file() => {
            bail!(
                "{variable} names {}, and there is no such file",
                file.display()
            )
        }
        other => Ok(other),
    }
}

/// Whether we run as root: the kernel gives `/proc/self` to the effective user.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Debian asks this program whether a package may start its service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs without starting any service: a test starts servers of its own. A policy that the machine has
/// already stays as it is.
fn without_services(install: impl FnOnce() -> Result<()>) -> Result<()> {
    let policy = Path::new(POLICY);
    if policy.exists() {
        return install();
    }
    std::fs::write(policy, "#!/bin/sh\nexit 101\n")?;
    std::fs::set_permissions(policy, Permissions::from_mode(0o755))?;
    let installed = install();
    std::fs::remove_file(policy)?;
    installed
}

/// Its hundreds of lines are shown only where it fails.
fn apt_get(args: &[&str]) -> Result<()> {
    let mut command = process::command(Path::new("/"), "apt-get", args);
    process::run_quietly(command.env("DEBIAN_FRONTEND", "noninteractive"))
}
