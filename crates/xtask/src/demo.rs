//! `cargo xtask demo`: the whole product on this machine, with nothing to set up first.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{engine, process};

/// Build Gavel and show it at work: clicks, auctions, sales, credit, on the real engine
///
/// Fetches what is missing (as root on Debian it installs npm, which fetches the ClickHouse engine),
/// builds the release binary and runs `gavel demo`. Its exit code is the demo's: not 0 if a check
/// failed.
#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask demo -- --seconds 60 --rate 50 --json")]
pub(crate) struct Args {
    /// What follows `--` goes to `gavel demo` as it is
    #[arg(last = true, value_name = "DEMO ARGS")]
    demo: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let root = workspace.root();
    // Before the long build. Where npm is lacking and may not be installed the engine may be there
    // all the same, from an earlier time: fetching it says so, or fails.
    engine::prepare()?;
    process::run(&mut process::cargo(
        root,
        ["build", "--release", "--package", "gavel"],
    ))?;
    let gavel = workspace.release_binary("gavel");
    engine::fetch(&gavel, root)?;
    // The demo takes our place, so that its exit code and a Ctrl-C are between it and the caller.
    let failed = std::process::Command::new(&gavel)
        .arg("demo")
        .args(&args.demo)
        .exec();
    Err(failed).with_context(|| format!("cannot start {}", gavel.display()))
}
