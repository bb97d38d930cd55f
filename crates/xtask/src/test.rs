//! `cargo xtask test`: everything that has to hold before a change lands. `.ci/run` calls it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::clients::Client;
use crate::leftovers::Leftovers;
use crate::phases::Phases;
use crate::tools::{self, Presence};
use crate::workspace::Workspace;
use crate::{chaos, clients, engine, fuzz, kafka, process, tidy};

/// Rounds of the chaos runs that every change goes through, on each catalog; the long run is `cargo xtask chaos`.
const CHAOS_ROUNDS: u32 = 4;
const CHAOS_SEED: u64 = 1;
const CHAOS_CATALOGS: [&str; 2] = ["chaos", "solar"];

/// Seconds each fuzz target runs at every change; `cargo xtask fuzz` runs longer.
const FUZZ_SECONDS: u32 = 3;

/// How long a process may take to end after those who started it have.
const STRAGGLERS: Duration = Duration::from_secs(30);

/// Check everything: tidy, lints, all tests on the real engine, a short chaos run, the docs
///
/// Installs or names what is missing, builds one profile, prints the seconds of each phase and leaves
/// no process behind. With CI=true a missing part is a failure; elsewhere it says what it leaves out.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the property tests draw from: another number looks elsewhere, the same one fails again
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut phases = Phases::new();
    let result = run_phases(args, &mut phases);
    phases.summary();
    result
}

fn run_phases(args: &Args, phases: &mut Phases) -> Result<()> {
    let workspace = Workspace::load()?;
    let root = workspace.root();
    let cargo = |line: &str| process::run(&mut uniform(root, line));

    let mut presence = Presence::Complete;
    let mut curl = Presence::Complete;
    let mut browser = Presence::Complete;
    let mut redis = Presence::Complete;
    let mut broker = None;
    phases.run("tools", || {
        presence = engine::prepare()?;
        curl = tools::ensure(&[tools::CURL])?;
        browser = tools::ensure_browser()?;
        redis = tools::ensure_redis()?;
        broker = kafka::ensure(root)?;
        Ok(())
    })?;
    if matches!(curl, Presence::Lacking) {
        phases.skip(
            "walk-through",
            "curl is missing: the README's test skips itself",
        )?;
    }
    if matches!(browser, Presence::Lacking) {
        phases.skip(
            "browser",
            "chromium is missing: the tag's test skips itself",
        )?;
    }
    if matches!(redis, Presence::Lacking) {
        phases.skip(
            "redis",
            "redis-server is missing: the tests of the shared state skip themselves",
        )?;
    }
    if broker.is_none() {
        phases.skip(
            "kafka",
            "Java or Maven is missing: the tests of the log on Kafka skip themselves",
        )?;
    }
    phases.run("tidy", || tidy::check(&workspace))?;
    phases.run("clippy", || {
        cargo("clippy --workspace --all-targets -- -D warnings")
    })?;
    // One build with the features of the whole workspace: tests, chaos and engine fetch share it.
    phases.run("build", || {
        cargo("build --profile test --workspace --lib --bins --tests")
    })?;
    let engine = phases.run("engine", || {
        engine::fetch(&workspace.debug_binary("gavel"), root)
    });
    match (&engine, presence) {
        (Ok(()), _) => {}
        (Err(_), Presence::Lacking) => {
            phases.skip("real engine", "npm is missing: its tests skip themselves")?;
        }
        (Err(_), Presence::Complete) => return engine,
    }
    what_runs(args, phases, &workspace, engine.is_ok(), broker.as_deref())?;
    // The crate `clickhouse` is among the tests.
    if engine.is_ok() {
        let mut python = Presence::Complete;
        phases.run("clients", || {
            python = clients::drive(&workspace, Client::Python)?;
            Ok(())
        })?;
        if matches!(python, Presence::Lacking) {
            phases.skip("python", "python3-venv is missing: its client is left out")?;
        }
    }
    phases.run("fuzz", || fuzz::drive(&workspace, FUZZ_SECONDS, &[]))?;
    phases.run("docs", || {
        let mut doc = uniform(root, "doc --workspace --no-deps --document-private-items");
        process::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    })
}

/// The phases that start processes of ours, and the look for those that were left behind.
fn what_runs(
    args: &Args,
    phases: &mut Phases,
    workspace: &Workspace,
    engine: bool,
    broker: Option<&Path>,
) -> Result<()> {
    let leftovers = Leftovers::watch(workspace.target());
    let mut result = phases.run("tests", || {
        println!("property tests draw from seed {}", args.seed);
        let mut tests = uniform(workspace.root(), "test --workspace --no-fail-fast");
        if let Some(jars) = broker {
            tests.env(kafka::OWN, jars);
        }
        process::run(tests.env("PROPTEST_RNG_SEED", args.seed.to_string()))
    });
    if result.is_ok() && engine {
        result = phases.run("chaos", || {
            CHAOS_CATALOGS.iter().try_for_each(|catalog| {
                let catalog = ["--catalog".into(), (*catalog).into()];
                chaos::drive(workspace, CHAOS_ROUNDS, CHAOS_SEED, &catalog)
            })
        });
    }
    // Also after a failure: nothing may be left running.
    let left = phases.run("leftovers", || leftovers.check(STRAGGLERS));
    result.and(left)
}

/// Cargo with the same settings every time, so that no phase builds again what another has built.
fn uniform(root: &Path, line: &str) -> Command {
    let mut cargo = process::cargo(root, line.split(' '));
    cargo.env("CARGO_INCREMENTAL", "0");
    cargo
}
