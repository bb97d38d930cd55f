//! The embedded ClickHouse engine, fetched by the product's own `gavel engine fetch`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::process;
use crate::tools::{self, Presence};

/// Makes sure, before anything long is built, that the engine can be fetched. Where npm is lacking the
/// engine may still be in the user's data folder from an earlier time: only `fetch` knows.
pub(crate) fn prepare() -> Result<Presence> {
    match own()? {
        Some(_) => Ok(Presence::Complete),
        None => tools::ensure(&[tools::NPM]),
    }
}

/// Makes sure that the engine is on this machine; `gavel` is a binary that is already built.
pub(crate) fn fetch(gavel: &Path, root: &Path) -> Result<()> {
    if own()?.is_some() {
        return Ok(());
    }
    // What it prints goes to stderr: the standard output of `demo --json` is for its object.
    let mut command = process::command(root, gavel, ["engine", "fetch"]);
    process::run(command.stdout(std::io::stderr()))
}

/// The engine that the caller names in `GAVEL_LIBCHDB`, so that none has to be fetched.
fn own() -> Result<Option<PathBuf>> {
    let library = std::env::var_os("GAVEL_LIBCHDB").map(PathBuf::from);
    match library {
        Some(file) if !file.is_file() => {
            bail!(
                "GAVEL_LIBCHDB names {}, and there is no such file",
                file.display()
            )
        }
        other => Ok(other),
    }
}
