//! `cargo xtask demo`: the whole product on this machine, with nothing to set up first.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use servers::{Kafka, Redis};
use tempfile::TempDir;

use crate::tools::{self, Presence};
use crate::workspace::Workspace;
use crate::{engine, kafka, process};

/// Build Gavel and show it at work: clicks, auctions, sales, credit, on the real engine
///
/// Fetches what is missing (as root on Debian it installs npm, which fetches the ClickHouse engine),
/// builds the release binary and runs `gavel demo`. Its exit code is the demo's: not 0 if a check
/// failed.
#[derive(clap::Args)]
#[command(after_help = "Example: cargo xtask demo -- --seconds 60 --rate 50 --json")]
pub(crate) struct Args {
    /// Start a Kafka broker and a Redis, and run the demo on them (as root on Debian what they need is
    /// installed)
    #[arg(long)]
    cluster: bool,
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
    // What the build has left to write is not to come between the demo and its disk.
    rustix::fs::sync();
    let mut demo = std::process::Command::new(&gavel);
    demo.arg("demo");
    if !args.cluster {
        // The demo takes our place, so that its exit code and a Ctrl-C are between it and the caller.
        let failed = demo.args(&args.demo).exec();
        return Err(failed).with_context(|| format!("cannot start {}", gavel.display()));
    }
    let servers = Servers::start(root)?;
    let kafka = servers.kafka.addr().to_string();
    demo.args([
        "--cluster",
        "--kafka",
        &kafka,
        "--redis",
        &servers.redis.url(),
    ]);
    process::run(demo.args(&args.demo))
}

/// What nodes share, as long as it is held.
struct Servers {
    kafka: Kafka,
    redis: Redis,
    _files: TempDir,
}

impl Servers {
    fn start(root: &Path) -> Result<Self> {
        let jars = kafka::ensure(root)?.context("there is no broker to start")?;
        let Presence::Complete = tools::ensure_redis()? else {
            bail!("there is no Redis");
        };
        let redis = servers::REDIS.find().context("there is no Redis")?;
        let files = tempfile::Builder::new()
            .prefix("gavel-cluster-")
            .tempdir()?;
        eprintln!(
            "starting a Kafka broker and a Redis in {}",
            files.path().display()
        );
        Ok(Self {
            kafka: Kafka::start(&jars, &files.path().join("kafka"))?,
            redis: Redis::start(&redis, &files.path().join("redis"))?,
            _files: files,
        })
    }
}
