//! `cargo xtask loadtest`: the service beside the least that could be done, and an hour of everything.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{engine, process};

/// Measure the service: `click` and `auction` as ratios to bare programs, `soak` over an hour
///
/// Builds the service and the drivers (`loadtest/`) with the release profile and runs one of them; needs
/// two cores and a machine that does nothing else. Raw figures go to `loadtest/results/`, named after
/// the commit. Not 0 if a bar does not hold.
#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask loadtest soak -- --minutes 60")]
pub(crate) struct Args {
    /// What is measured
    test: Test,
    /// What follows `--` goes to the driver as it is
    #[arg(last = true, value_name = "DRIVER ARGS")]
    driver: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Test {
    /// Clicks beside a bare hyper that answers a fixed 302
    Click,
    /// Auctions of ten buyers beside a bare program that only fans out
    Auction,
    /// An hour at half load: memory, handles, lag, freshness, overhead
    Soak,
}

impl Test {
    fn name(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Auction => "auction",
            Self::Soak => "soak",
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let root = workspace.root();
    engine::prepare()?;
    process::run(&mut process::cargo(
        root,
        [
            "build",
            "--release",
            "--package",
            "gavel",
            "--package",
            "loadtest",
            "--bins",
        ],
    ))?;
    engine::fetch(&workspace.release_binary("gavel"), root)?;
    let out = results(root, args.test)?;
    let mut driver = process::command(
        root,
        workspace.release_binary("load"),
        [
            args.test.name().into(),
            "--out".into(),
            out.into_os_string(),
        ],
    );
    process::run(driver.args(&args.driver))
}

/// A file named after what is measured and the commit it is measured at.
fn results(root: &Path, test: Test) -> Result<PathBuf> {
    let commit = process::read(&mut process::command(
        root,
        "git",
        ["rev-parse", "--short", "HEAD"],
    ))
    .context("the figures are named after the commit")?;
    let name = format!("{}-{}.json", test.name(), commit.trim());
    Ok(root.join("loadtest/results").join(name))
}
