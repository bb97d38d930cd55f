//! The Kafka broker that tests start: Apache's jars, named by hash in `deploy/kafka`, kept in the user's
//! cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::tools::{self, Presence, Tool};

/// Names the folder of jars that the caller has, so that none has to be fetched; and what tests read.
pub(crate) const OWN: &str = "GAVEL_TEST_KAFKA";

/// Runs the broker.
const JAVA: Tool = Tool {
    program: "java",
    proof: &[],
    package: "openjdk-17-jre-headless",
    needed_for: "running a Kafka broker in tests",
};

/// Fetches the broker.
const MAVEN: Tool = Tool {
    program: "mvn",
    proof: &[],
    package: "maven",
    needed_for: "fetching the Kafka broker of the tests",
};

/// The folder of the broker's jars, fetched if it is not there yet; none where something is missing
/// that we may not install.
pub(crate) fn ensure(root: &Path) -> Result<Option<PathBuf>> {
    let named = std::env::var_os(OWN).map(PathBuf::from);
    if let Some(jars) = &named
        && !jars.is_dir()
    {
        bail!(
            "{OWN} names {}, and there is no such folder",
            jars.display()
        );
    }
    if matches!(tools::ensure(&[JAVA])?, Presence::Lacking) {
        return Ok(None);
    }
    if named.is_some() {
        return Ok(named);
    }
    let sums = root.join("deploy/kafka/jars.sha256");
    let jars = cache()?.join(folder(&sums)?);
    if jars.is_dir() {
        check(&jars, &sums)?;
        return Ok(Some(jars));
    }
    if matches!(tools::ensure(&[MAVEN])?, Presence::Lacking) {
        return Ok(None);
    }
    fetch(root, &jars, &sums)?;
    Ok(Some(jars))
}

/// `$XDG_CACHE_HOME/gavel`, else `~/.cache/gavel`.
fn cache() -> Result<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let cache = cache.or_else(|| folder("HOME").map(|home| home.join(".cache")));
    Ok(cache.context("HOME is not set")?.join("gavel"))
}

/// Named after what has to be in it: another list is another folder.
fn folder(sums: &Path) -> Result<String> {
    let list = fs::read_to_string(sums).with_context(|| sums.display().to_string())?;
    // The broker's own jar, whose hash changes with its version.
    let broker = list.lines().find_map(|line| line.split_once("  kafka_"));
    let (hash, version) = broker.with_context(|| format!("{}: no broker", sums.display()))?;
    let (version, hash) = (version.trim_end_matches(".jar"), hash.get(..8));
    Ok(format!("kafka-{version}-{}", hash.unwrap_or_default()))
}

/// All of it or nothing: the folder gets its name once it is whole.
fn fetch(root: &Path, jars: &Path, sums: &Path) -> Result<()> {
    let mut parts = jars.as_os_str().to_owned();
    parts.push(format!(".{}", std::process::id()));
    let parts = PathBuf::from(parts);
    fs::create_dir_all(&parts)?;
    let pom = root.join("deploy/kafka/pom.xml");
    let mut maven = process::command(&parts, "mvn", ["-q", "-B", "-f"]);
    maven.arg(pom).arg("dependency:copy-dependencies");
    maven.arg(format!("-DoutputDirectory={}", parts.display()));
    let fetched = process::run(&mut maven).and_then(|()| check(&parts, sums));
    let fetched = fetched.and_then(|()| match fs::rename(&parts, jars) {
        // Somebody else was faster.
        Err(_) if jars.is_dir() => check(jars, sums),
        renamed => renamed.context("cannot name the folder of jars"),
    });
    if parts.is_dir() {
        fs::remove_dir_all(&parts)?;
    }
    fetched
}

/// Every jar of the list is there with its hash, and no other file is.
fn check(jars: &Path, sums: &Path) -> Result<()> {
    let wanted = fs::read_to_string(sums)?.lines().count();
    let there = fs::read_dir(jars)?.count();
    if wanted != there {
        bail!("{}: {there} files instead of {wanted}", jars.display());
    }
    let mut hashes = process::command(jars, "sha256sum", ["--check", "--quiet", "--strict"]);
    process::run_quietly(hashes.arg(sums))
}
