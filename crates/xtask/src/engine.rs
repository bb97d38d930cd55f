//! The embedded ClickHouse engine, fetched by the product's own `gavel engine fetch`.

use std::path::Path;

use anyhow::{Result, bail};

use crate::{process, tools};

/// Makes sure that the engine is on this machine; `gavel` is a binary that is already built.
///
/// `GAVEL_LIBCHDB` names an engine that is already there, and nothing is fetched then. Nor is it when
/// `gavel` finds it in the user's data folder, so that npm is asked for only when it is needed.
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
    let fetch = || {
        let mut command = process::command(root, gavel, ["engine", "fetch"]);
        process::run(command.stdout(std::io::stderr()))
    };
    if !process::installed(tools::NPM.program) && fetch().is_ok() {
        return Ok(());
    }
    tools::ensure(&[tools::NPM])?;
    fetch()
}
