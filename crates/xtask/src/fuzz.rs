//! `cargo xtask fuzz`: the targets of crate `fuzz` under libFuzzer, on the pinned stable compiler.
//!
//! Coverage is the compiler's own (SanitizerCoverage, without a sanitizer), which stable has. Only
//! this workspace's crates are instrumented, by standing between cargo and rustc as
//! `RUSTC_WORKSPACE_WRAPPER`, so everything foreign is shared with the ordinary build.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Says that this process was started in the place of the compiler.
const COMPILING: &str = "XTASK_COMPILES_FOR_FUZZING";
/// What instruments a crate.
const INSTRUMENT: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=3",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// Targets at once.
const AT_ONCE: usize = 2;

/// Run every parser on mutated input for a while
///
/// libFuzzer mutates the seeds of `crates/fuzz/seeds/<target>`, guided by coverage. What it finds
/// interesting stays in `target/fuzz/<target>` for the next run; an input that breaks a promise is
/// named and is a new seed once the promise is mended.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only these targets
    targets: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    drive(&Workspace::load()?, args.seconds, &args.targets)
}

/// Builds the targets and runs them, all where none is named.
pub(crate) fn drive(workspace: &Workspace, seconds: u32, only: &[String]) -> Result<()> {
    let root = workspace.root();
    let line = "build --profile test --workspace --bin fuzz";
    let mut build = process::cargo(root, line.split(' '));
    build.env("CARGO_INCREMENTAL", "0");
    // Not this process's own file: a build of the whole workspace has put a new one in its place.
    let wrapper = workspace.debug_binary("xtask");
    build.env("RUSTC_WORKSPACE_WRAPPER", wrapper);
    process::run(build.env(COMPILING, "1"))?;

    let seeds = root.join("crates/fuzz/seeds");
    let mut targets = Vec::new();
    for folder in fs::read_dir(&seeds).context("no seeds")? {
        targets.push(folder?.file_name().to_string_lossy().into_owned());
    }
    targets.sort();
    if let Some(unknown) = only.iter().find(|name| !targets.contains(name)) {
        bail!("no target {unknown}: there are {}", targets.join(", "));
    }
    targets.retain(|name| only.is_empty() || only.contains(name));
    let binary = workspace.debug_binary("fuzz");
    let work = workspace.target().join("fuzz");
    let mut broken = Vec::new();
    for some in targets.chunks(AT_ONCE) {
        let started = some
            .iter()
            .map(|name| Run::start(&binary, &work, &seeds, name, seconds));
        let started: Vec<Result<Run>> = started.collect();
        for run in started {
            broken.extend(run?.end()?);
        }
    }
    if !broken.is_empty() {
        bail!("broken: {}", broken.join(", "));
    }
    Ok(())
}

/// A target at work.
struct Run {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Run {
    fn start(binary: &Path, work: &Path, seeds: &Path, name: &str, seconds: u32) -> Result<Self> {
        let corpus = work.join(name);
        fs::create_dir_all(&corpus)?;
        let log = work.join(format!("{name}.log"));
        let child = Command::new(binary)
            .env("GAVEL_FUZZ_TARGET", name)
            .env("RUST_BACKTRACE", "0")
            .arg(format!("-max_total_time={seconds}"))
            .args([
                "-timeout=10",
                "-rss_limit_mb=1024",
                "-max_len=4096",
                "-print_final_stats=1",
            ])
            .arg(format!("-artifact_prefix={}/{name}-", work.display()))
            .args([corpus, seeds.join(name)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        Ok(Self {
            name: name.to_owned(),
            log,
            child,
        })
    }

    /// Waits for it; its name if it found something.
    fn end(mut self) -> Result<Option<String>> {
        let status = self.child.wait()?;
        let log = fs::read(&self.log)?;
        let log = String::from_utf8_lossy(&log);
        let stat = |name: &str| {
            let line = log.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or("?").trim().to_owned()
        };
        let covered = log.lines().rev().find_map(|line| line.split_once("cov: "));
        let covered = covered.map_or("?", |(_, rest)| rest.split(' ').next().unwrap_or("?"));
        println!(
            "{:<12}{:>10} runs, {covered} edges",
            self.name,
            stat("stat::number_of_executed_units:"),
        );
        if status.success() {
            return Ok(None);
        }
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(30)..)
            .unwrap_or_default();
        eprintln!("{}: {status}\n{}", self.name, tail.join("\n"));
        Ok(Some(self.name))
    }
}

/// Compiles in the place of rustc if this process was started as it; else returns.
pub(crate) fn compile_if_asked() -> Option<std::io::Error> {
    std::env::var_os(COMPILING)?;
    let mut args = std::env::args_os().skip(1);
    let compiler = args.next()?;
    let args: Vec<OsString> = args.collect();
    // A build script is linked as it is, without what counts edges. So is what cargo only asks.
    let plain = |arg: &OsString| arg == "build_script_build" || arg == "___" || arg == "-vV";
    let mut rustc = Command::new(compiler);
    if !args.iter().any(plain) {
        rustc.args(INSTRUMENT);
    }
    Some(rustc.args(&args).env_remove(COMPILING).exec())
}
