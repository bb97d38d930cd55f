//! `gavel serve`: runs the service until SIGTERM.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Failure;
use crate::ending::Stdin;
use crate::serve::{self, Role, Roles};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What the process does, of all that the service does; without it: everything. Roles apart share
    /// Kafka and Redis.
    #[arg(long, value_name = "ROLES", value_delimiter = ',')]
    roles: Vec<Role>,
    /// End when standard input closes, that is with the parent that holds its other end.
    #[arg(long)]
    exit_with_stdin: bool,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let (config, snapshot) = super::check::load(&args.config)?;
    let stdin = if args.exit_with_stdin {
        Stdin::Life
    } else {
        Stdin::Ignored
    };
    serve::run(args.config, config, snapshot, &Roles::of(args.roles), stdin)?;
    Ok(ExitCode::SUCCESS)
}
