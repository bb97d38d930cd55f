//! `gavel engine fetch`: gets the pinned ClickHouse engine into the user's data directory.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use engine::fetch::{self, FetchError};

use super::Failure;
use crate::env;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch the engine (libchdb, about 180 MB) by npm and print where it is.
    Fetch,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.action {
        Action::Fetch => {
            let library =
                fetch::fetch(&cache()?, &mut std::io::stderr()).map_err(|error| match error {
                    FetchError::Platform(_) | FetchError::NoNpm => Failure::usage(error),
                    _ => Failure::work(error),
                })?;
            println!("{}", library.display());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Where the engine's library is, or what to do about it.
pub(crate) fn locate() -> Result<PathBuf, Failure> {
    fetch::locate(env::own_engine(), &cache()?).map_err(Failure::usage)
}

/// Fetches the engine if it is not there yet.
pub(crate) fn ensure() -> Result<PathBuf, Failure> {
    locate().or_else(|_| fetch::fetch(&cache()?, &mut std::io::stderr()).map_err(Failure::work))
}

fn cache() -> Result<PathBuf, Failure> {
    env::engine_cache()
        .context("no home for the engine: set XDG_DATA_HOME or HOME to an absolute path")
        .map_err(Failure::Usage)
}
