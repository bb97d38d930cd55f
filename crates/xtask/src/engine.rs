//! The embedded ClickHouse engine, fetched by the product's own `gavel engine fetch`.

use std::path::Path;

use anyhow::Result;

use crate::process;
use crate::tools::{self, Presence};

/// Names the engine that the caller has, so that none has to be fetched.
const OWN: &str = "GAVEL_LIBCHDB";

/// Makes sure, before anything long is built, that the engine can be fetched. Where npm is lacking the
/// engine may still be in the user's data folder from an earlier time: only `fetch` knows.
pub(crate) fn prepare() -> Result<Presence> {
    match tools::named_by(OWN)? {
        Some(_) => Ok(Presence::Complete),
        None => tools::ensure(&[tools::NPM]),
    }
}

/// Makes sure that the engine is on this machine; `gavel` is a binary that is already built.
pub(crate) fn fetch(gavel: &Path, root: &Path) -> Result<()> {
    if tools::named_by(OWN)?.is_some() {
        return Ok(());
    }
    // What it prints goes to stderr: the standard output of `demo --json` is for its object.
    let mut command = process::command(root, gavel, ["engine", "fetch"]);
    process::run(command.stdout(std::io::stderr()))
}
