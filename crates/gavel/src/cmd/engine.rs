//! `gavel engine`: gets the pinned ClickHouse engine into the user's data directory, and makes backups of what an
//! engine holds.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use engine::Holds;
use engine::backup::{self, BackupError};
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
    /// Back all tables up, while they are served or not.
    ///
    /// The process that has the directory makes the backup; queries and inserts go on. Every row that was
    /// acknowledged before is in it.
    Backup {
        /// The engine's data directory; that of `serve` is `clickhouse` in its `data_dir`.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Where the backup goes: a directory that is not there, or empty.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Make a data directory of a backup, which is checked first.
    Restore {
        /// The backup.
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
        /// The directory to make: not there, or empty.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}

/// How long a process that has the directory may take to start.
const STARTING: Duration = Duration::from_secs(30);

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
        Action::Backup { data, to } => {
            let library = locate()?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime
                .context("cannot start the runtime")
                .map_err(Failure::Work)?;
            let made = runtime.block_on(backup::make(&library, &data, &to, STARTING));
            conclude("backed up", made)
        }
        Action::Restore { from, data } => {
            conclude("restored", backup::restore(&locate()?, &from, &data))
        }
    }
}

/// The engine may have been booted here, so that the process goes at once.
fn conclude(done: &str, made: Result<Holds, BackupError>) -> ! {
    let code = match made {
        Ok(Holds { files, bytes }) => {
            println!("{done}: {files} files, {bytes} bytes");
            0
        }
        Err(error) => {
            let usage = error.is_usage();
            eprintln!("gavel: {:#}", anyhow::Error::from(error));
            if usage { 2 } else { 1 }
        }
    };
    engine::exit_at_once(code)
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
