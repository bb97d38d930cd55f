//! `gavel check`: every problem of a configuration and its catalog, each with file and line.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use catalog::{Config, Overrides, Problem, Snapshot};

use super::Failure;
use crate::env;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Problems go to standard output, for they are what was asked for.
pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    let (text, code) = match catalog::load(&args.config, &overrides()) {
        Ok((_, snapshot)) => (good(&args.config, &snapshot), ExitCode::SUCCESS),
        Err(problems) => (list(&problems), ExitCode::from(2)),
    };
    out.write_all(text.as_bytes())
        .context("cannot write to standard output")
        .map_err(Failure::Work)?;
    Ok(code)
}

/// The configuration and catalog that `serve` runs on; their problems go to standard error.
pub(crate) fn load(config: &Path) -> Result<(Config, Snapshot), Failure> {
    catalog::load(config, &overrides()).map_err(|problems| {
        eprint!("{}", list(&problems));
        let count = problems.len();
        Failure::Usage(anyhow!("{count} problem(s) with {}", config.display()))
    })
}

/// The catalog of a configuration that is read again.
pub(crate) fn reread(config: &Path) -> Result<Snapshot, Vec<Problem>> {
    catalog::load(config, &overrides()).map(|(_, snapshot)| snapshot)
}

fn overrides() -> Overrides {
    Overrides {
        env: env::settings(),
        flags: BTreeMap::new(),
    }
}

/// One problem a line.
fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect()
}

fn good(config: &Path, snapshot: &Snapshot) -> String {
    let contracts: usize = snapshot
        .campaigns
        .values()
        .map(|campaign| campaign.book.terms().len())
        .sum();
    format!(
        "{} is good: catalog generation {}, {} campaigns, {contracts} contracts, {} publishers, \
         {} buyers, {} links\n",
        config.display(),
        snapshot.generation,
        snapshot.campaigns.len(),
        snapshot.publishers.len(),
        snapshot.buyers.len(),
        snapshot.links.len(),
    )
}
