//! The subcommands, one file each: an `Args` for clap and a `run`.
//!
//! To add one: its file here, a `mod` line below, a variant of `Command` and its arm in `main.rs`.

use std::process::ExitCode;

pub(crate) mod check;
pub(crate) mod clickhouse;
pub(crate) mod demo;
pub(crate) mod engine;
pub(crate) mod sandbox;
pub(crate) mod serve;

/// Why a subcommand ended badly.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for cannot be done as asked: exit code 2.
    Usage(anyhow::Error),
    /// It was tried and failed: exit code 1.
    Work(anyhow::Error),
}

impl Failure {
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(error.into())
    }

    pub(crate) fn work(error: impl Into<anyhow::Error>) -> Self {
        Self::Work(error.into())
    }

    /// Says it on standard error and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let (error, code) = match self {
            Self::Usage(error) => (error, 2),
            Self::Work(error) => (error, 1),
        };
        eprintln!("gavel: {error:#}");
        ExitCode::from(code)
    }
}
