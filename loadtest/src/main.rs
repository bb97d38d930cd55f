//! `chaos`: kills the service, its ClickHouse or both, under load, round after round, and then holds
//! three books against each other: what clients were told, what buyers journalled, what ClickHouse holds.
//!
//! The seed draws victims, moments, visitors and what buyers answer. Exit codes: 0 all checks hold, 1
//! one does not or the run failed, 2 wrong usage.

mod cast;
mod draw;
mod run;
mod settle;
mod trap;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser;
use domain::Clock;
use tokio::signal::unix::{SignalKind, signal};
use traffic::{Check, Dice};

use crate::cast::{CHAOS, Cast, SOLAR};
use crate::run::{Chaos, Order};
use loadtest::clock::OsClock;

/// Kill the service under load and compare the books.
#[derive(Debug, Parser)]
#[command(name = "chaos", version)]
struct Args {
    /// How many times something is killed; at least two, one for each condition.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=1000))]
    rounds: u32,
    /// What everything is drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Whose catalog the service runs on.
    #[arg(long, value_enum, default_value_t = Catalog::Chaos)]
    catalog: Catalog,
    /// The service's executable; without it the `gavel` beside this program.
    #[arg(long, value_name = "FILE")]
    gavel: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Catalog {
    /// `loadtest/catalog/chaos.toml`: few rules, limits that bite at once.
    Chaos,
    /// `deploy/catalog/solar-us.toml`: filters, schedules, limits by leads and by money.
    Solar,
}

impl Catalog {
    fn cast(self) -> &'static Cast {
        match self {
            Self::Chaos => &CHAOS,
            Self::Solar => &SOLAR,
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    println!(
        "chaos: {} rounds, seed {}, campaign {}",
        args.rounds,
        args.seed,
        args.catalog.cast().campaign
    );
    match run(&args) {
        Ok(checks) => report(&args, &checks),
        Err(error) => {
            println!("chaos failed, seed {}: {error:#}", args.seed);
            ExitCode::from(1)
        }
    }
}

fn run(args: &Args) -> Result<Vec<Check>> {
    let gavel = match &args.gavel {
        Some(gavel) => gavel.clone(),
        None => std::env::current_exe()?.with_file_name("gavel"),
    };
    let gavel = gavel
        .canonicalize()
        .with_context(|| gavel.display().to_string())?;
    let home = tempfile::Builder::new().prefix("gavel-chaos-").tempdir()?;
    let order = Order {
        gavel,
        dir: home.path().to_owned(),
        cast: args.catalog.cast(),
        seed: args.seed,
        rounds: draw::rounds(&mut Dice::new(args.seed), args.rounds),
    };
    let clock: Arc<dyn Clock> = Arc::new(OsClock::start());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let played = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            played = async { Chaos::begin(order, clock).await?.play().await } => played,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                anyhow::bail!("interrupted")
            }
            _ = terminate.recv() => anyhow::bail!("asked to end"),
        }
    });
    drop(runtime);
    let failed = played
        .as_ref()
        .map_or(true, |checks| checks.iter().any(|check| !check.ok));
    if failed {
        println!("books and logs are kept in {}", home.keep().display());
    }
    played
}

fn report(args: &Args, checks: &[Check]) -> ExitCode {
    for check in checks {
        println!("{check}");
    }
    let failed = checks.iter().filter(|check| !check.ok).count();
    if failed == 0 {
        println!(
            "all {} checks hold after {} rounds, seed {}",
            checks.len(),
            args.rounds,
            args.seed
        );
        return ExitCode::SUCCESS;
    }
    println!(
        "{failed} of {} checks FAILED; again with: chaos --rounds {} --seed {}",
        checks.len(),
        args.rounds,
        args.seed
    );
    ExitCode::from(1)
}
