//! `cargo xtask engine kill`: kill -9 of the embedded ClickHouse under inserts, for more rounds than each change
//! goes through.

use anyhow::Result;

use crate::chaos::seed_from_clock;
use crate::workspace::Workspace;
use crate::{engine, process};

/// Put the embedded ClickHouse to the test
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Kill it (-9) under inserts, round after round: each row it acknowledged is there, once
    Kill {
        /// How many times it is killed
        #[arg(long, default_value_t = 20)]
        rounds: u32,
        /// What the moments are drawn from; without it one is taken from the clock and printed
        #[arg(long)]
        seed: Option<u64>,
    },
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let Action::Kill { rounds, seed } = args.action;
    let workspace = Workspace::load()?;
    let root = workspace.root();
    engine::prepare()?;
    process::run(&mut process::cargo(root, ["build", "--package", "gavel"]))?;
    engine::fetch(&workspace.debug_binary("gavel"), root)?;
    let seed = seed.unwrap_or_else(seed_from_clock);
    println!("seed {seed}");
    let test = "test --package gavel --test engine crash:: -- --nocapture";
    let mut test = process::cargo(root, test.split(' '));
    test.env("CI", "true");
    test.env("GAVEL_TEST_KILLS", rounds.to_string());
    test.env("GAVEL_TEST_KILLS_SEED", seed.to_string());
    process::run(&mut test)
}
