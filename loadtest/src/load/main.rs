//! `load`: what the service costs and how fast it is, beside programs that do the least there is to do.
//!
//! Figures of one machine say little; what counts are ratios of two sides that were measured in turn,
//! round after round, and medians of those. Exit codes: 0 all bars hold, 1 one does not or the run
//! failed, 2 wrong usage.

mod auction;
mod click;
mod embedded;
mod kafka;
mod ping;
mod report;
mod sender;
mod sides;
mod soak;
mod stage;
mod town;
mod visitor;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use loadtest::core::Cores;

/// Measure the service beside the least that could be done.
#[derive(Debug, Parser)]
#[command(name = "load", version)]
struct Args {
    #[command(subcommand)]
    test: Test,
    /// The service's executable; without it the `gavel` beside this program.
    #[arg(long, global = true, value_name = "FILE")]
    gavel: Option<PathBuf>,
    /// Where the raw figures go.
    #[arg(long, global = true, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What everything is drawn from.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Subcommand)]
enum Test {
    Click(click::Args),
    Ping(ping::Args),
    Auction(auction::Args),
    Soak(soak::Args),
    Kafka(kafka::Args),
    Worker(worker::Args),
    Engine(embedded::Args),
}

/// What every test is given.
struct Setting {
    gavel: PathBuf,
    /// Where the bare programs are: beside this one.
    programs: PathBuf,
    out: Option<PathBuf>,
    seed: u64,
    cores: Cores,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(report::Verdict::Holds) => ExitCode::SUCCESS,
        Ok(report::Verdict::Fails) => ExitCode::from(1),
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn run(args: Args) -> Result<report::Verdict> {
    let own = std::env::current_exe()?;
    let gavel = args.gavel.unwrap_or_else(|| own.with_file_name("gavel"));
    let setting = Setting {
        gavel: gavel
            .canonicalize()
            .with_context(|| gavel.display().to_string())?,
        programs: own.parent().map(PathBuf::from).unwrap_or_default(),
        out: args.out,
        seed: args.seed,
        cores: Cores::find()?,
    };
    // One thread: what measures has one core, and the service has the other.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        tokio::select! {
            done = async {
                match args.test {
                    Test::Click(args) => click::run(args, &setting).await,
                    Test::Ping(args) => ping::run(args, &setting).await,
                    Test::Auction(args) => auction::run(args, &setting).await,
                    Test::Soak(args) => soak::run(args, &setting).await,
                    Test::Kafka(args) => kafka::run(args, &setting).await,
                    Test::Worker(args) => worker::run(args, &setting).await,
                    Test::Engine(args) => embedded::run(args, &setting).await,
                }
            } => done,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                anyhow::bail!("interrupted")
            }
        }
    })
}
