//! `cargo xtask chaos`: kill -9 under load, then compare what clients were told with what is held.

use std::ffi::OsString;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{engine, process};

/// Kill the service under load, round after round, and compare the books as sets
///
/// A driver of its own (`loadtest/`) sends leads and clicks, kills the service, its engine or both at
/// moments drawn from the seed, and after the last restart compares what clients were told, what the
/// buyers journalled and what ClickHouse holds, in both directions. The same seed draws the same
/// victims and moments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many times something is killed
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// What victims and moments are drawn from; without it one is taken from the clock and printed
    #[arg(long)]
    seed: Option<u64>,
    /// What follows `--` goes to the driver as it is
    #[arg(last = true, value_name = "DRIVER ARGS")]
    driver: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let root = workspace.root();
    engine::prepare()?;
    let build = [
        "build",
        "--package",
        "gavel",
        "--package",
        "loadtest",
        "--bins",
    ];
    process::run(&mut process::cargo(root, build))?;
    engine::fetch(&workspace.debug_binary("gavel"), root)?;
    let seed = args.seed.unwrap_or_else(seed_from_clock);
    println!("seed {seed}");
    drive(&workspace, args.rounds, seed, &args.driver)
}

/// Runs the driver, which is already built, on the `gavel` beside it.
pub(crate) fn drive(
    workspace: &Workspace,
    rounds: u32,
    seed: u64,
    more: &[OsString],
) -> Result<()> {
    let (rounds, seed) = (rounds.to_string(), seed.to_string());
    let args = ["--rounds", &rounds, "--seed", &seed];
    let mut driver = process::command(workspace.root(), workspace.debug_binary("chaos"), args);
    process::run(driver.args(more))
}

pub(crate) fn seed_from_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |age| age.as_secs())
}
