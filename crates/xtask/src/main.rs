//! The commands of this repo beyond `cargo build`: `cargo xtask --help` lists them, one file each.
//!
//! They start everything they need and end it again. Pure Rust without C dependencies, so that the
//! first command a newcomer types is compiled within seconds.
#![expect(
    clippy::disallowed_methods,
    reason = "a tool for developers: it measures its own steps and reads the caller's environment"
)]

mod chaos;
mod clean_room;
mod clients;
mod demo;
mod engine;
mod engine_kill;
mod faults;
mod fuzz;
mod kafka;
mod leftovers;
mod loadtest;
mod mutants;
mod phases;
mod process;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Gavel's own commands: try it, check it, break it.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Test(test::Args),
    Tidy(tidy::Args),
    Chaos(chaos::Args),
    Faults(faults::Args),
    Fuzz(fuzz::Args),
    Loadtest(loadtest::Args),
    Mutants(mutants::Args),
    CleanRoom(clean_room::Args),
    Clients(clients::Args),
    Engine(engine_kill::Args),
}

fn main() -> ExitCode {
    if let Some(error) = fuzz::compile_if_asked() {
        eprintln!("xtask: cannot start the compiler: {error}");
        return ExitCode::FAILURE;
    }
    let result = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Tidy(args) => tidy::run(&args),
        Command::Chaos(args) => chaos::run(&args),
        Command::Faults(args) => faults::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Loadtest(args) => loadtest::run(&args),
        Command::Mutants(args) => mutants::run(&args),
        Command::CleanRoom(args) => clean_room::run(&args),
        Command::Clients(args) => clients::run(&args),
        Command::Engine(args) => engine_kill::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
