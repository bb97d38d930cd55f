//! The embedded ClickHouse engine, fetched by the product's own `gavel engine fetch`.

use std::path::Path;

use anyhow::{Result, bail};

use crate::{process, tools};

/// Makes sure that the engine is on this machine; `gavel` is a binary that is already built.
///
/// `GAVEL_LIBCHDB` names an engine that is already there, and nothing is fetched then. An engine in
/// the user's data folder is found by `gavel` itself, which then needs no npm.
pub(crate) fn ensure(gavel: &Path, root: &Path) -> Result<()> {
    if let Some(library) = std::env::var_os("GAVEL_LIBCHDB") {
        if Path::new(&library).is_file() {
            return Ok(());
        }
        bail!(
            "GAVEL_LIBCHDB names {}, and there is no such file",
            library.display()
        );
    }
    tools::ensure(&[tools::NPM])?;
    process::run(process::command(root, gavel, ["engine", "fetch"]).stdout(std::io::stderr()))
}
