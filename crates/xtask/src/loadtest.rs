//! `cargo xtask loadtest`: the service beside the least that could be done, and an hour of everything.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::tools::{self, Presence};
use crate::workspace::Workspace;
use crate::{engine, kafka, process};

/// Measure the service: `click`, `ping`, `auction`, `kafka`, `worker` and `engine` as ratios to bare programs, `soak` over an hour
///
/// Builds the service and the drivers (`loadtest/`) with the release profile and runs one of them; needs
/// two cores and a machine that does nothing else. Raw figures go to `loadtest/results/`, named after
/// the commit. Not 0 if a bar does not hold.
#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask loadtest soak -- --minutes 60")]
pub(crate) struct Args {
    /// What is measured
    test: Test,
    /// The log is Kafka: what `worker` is measured on
    #[arg(long)]
    kafka: bool,
    /// What follows `--` goes to the driver as it is
    #[arg(last = true, value_name = "DRIVER ARGS")]
    driver: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Test {
    /// Clicks beside a bare hyper that answers a fixed 302
    Click,
    /// Pings that none of a hundred contracts takes beside a bare hyper that parses them
    Ping,
    /// Auctions of ten buyers beside a bare program that only fans out
    Auction,
    /// An hour at half load: memory, handles, lag, freshness, overhead
    Soak,
    /// Clicks and batches of events on Kafka and Redis, which it starts, beside a bare redirect and a bare
    /// producer
    Kafka,
    /// The worker on Kafka and Redis, which it starts, beside a bare consumer that inserts the same rows
    Worker,
    /// The embedded ClickHouse over HTTP beside its C interface: a gigabyte in, a gigabyte out
    Engine,
}

impl Test {
    /// Whether the driver starts a Kafka and a Redis.
    fn needs_servers(self) -> bool {
        matches!(self, Self::Kafka | Self::Worker)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Ping => "ping",
            Self::Auction => "auction",
            Self::Soak => "soak",
            Self::Kafka => "kafka",
            Self::Worker => "worker",
            Self::Engine => "engine",
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if matches!(args.test, Test::Worker) && !args.kafka {
        bail!("the worker is measured on Kafka alone: `cargo xtask loadtest worker --kafka`");
    }
    let workspace = Workspace::load()?;
    let root = workspace.root();
    engine::prepare()?;
    let jars = args
        .test
        .needs_servers()
        .then(|| servers(root))
        .transpose()?;
    // One after the other: together each would be built with what only the other asks of a library.
    for package in ["gavel", "loadtest"] {
        let build = ["build", "--release", "--package", package, "--bins"];
        process::run(&mut process::cargo(root, build))?;
    }
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
    driver.envs(jars.map(|jars| (kafka::OWN, jars)));
    process::run(driver.args(&args.driver))
}

/// What the driver starts is there: the folder of the broker's jars, and a Redis.
fn servers(root: &Path) -> Result<PathBuf> {
    let jars = kafka::ensure(root)?.context("there is no broker to start")?;
    match tools::ensure_redis()? {
        Presence::Complete => Ok(jars),
        Presence::Lacking => bail!("there is no Redis"),
    }
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
