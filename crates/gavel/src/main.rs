//! `gavel`: the one shipped binary. This file only says which subcommands there are and what their
//! exit codes mean: 0 good, 1 a check or the work failed, 2 wrong usage or configuration.

mod cmd;
mod ending;
mod env;
mod memory;
mod os;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

/// A click is made of some dozens of small allocations, and the worker frees what readers made. glibc
/// spends a fifth of a click's processor time on them, most of it on merging what was freed.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Ping/post lead auctions and conversion attribution, in one binary.
#[derive(Debug, Parser)]
#[command(name = "gavel", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Name every problem of a configuration and its catalog, with file and line.
    Check(cmd::check::Args),
    /// Show the main job on this machine: clicks, auctions, sales, credit, and checks of all books.
    Demo(cmd::demo::Args),
    /// The embedded ClickHouse engine: get it.
    Engine(cmd::engine::Args),
    /// Run the embedded ClickHouse engine behind ClickHouse's HTTP interface.
    Clickhouse(cmd::clickhouse::Args),
    /// Run the service: edge, router and worker in one process.
    Serve(cmd::serve::Args),
    /// Run sandbox buyers: HTTP servers that bid, stall and break, and journal what they answered.
    Sandbox(cmd::sandbox::Args),
}

fn main() -> ExitCode {
    memory::keep_freed();
    let cli = Cli::parse();
    let logs = env::log_format().and_then(|format| {
        let set_up = telemetry::init_logs(format, &env::log_filter());
        set_up.map_err(|error| error.to_string())
    });
    if let Err(error) = logs {
        eprintln!("gavel: {error}");
        return ExitCode::from(2);
    }
    if let Err(error) = memory::small_pages() {
        tracing::warn!(%error, "cannot do without huge pages: memory may grow");
    }
    let outcome = match cli.command {
        Command::Check(args) => cmd::check::run(args),
        Command::Demo(args) => cmd::demo::run(args),
        Command::Engine(args) => cmd::engine::run(args),
        Command::Clickhouse(args) => cmd::clickhouse::run(args),
        Command::Serve(args) => cmd::serve::run(args),
        Command::Sandbox(args) => cmd::sandbox::run(args),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
