//! `gavel sandbox`: buyers that bid, stall and break, each journalling what it answered.
//!
//! Prints one line of JSON on standard output once all of them listen: names and addresses.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use sandbox::{Listen, Magic, Options, Profile, Sandbox, StartError};

use super::Failure;
use crate::ending::{self, Stdin};
use crate::os::OsClock;

#[derive(Debug, clap::Args)]
#[command(after_help = magic_help())]
pub(crate) struct Args {
    /// First port on loopback; the buyers listen on it and the following ones. 0 lets the system
    /// choose.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    listen_base: u16,
    /// How many buyers of the standard mix to run.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10,
        conflicts_with = "profile"
    )]
    buyers: u32,
    /// Directory for the journals, one file for each buyer; made if it is not there.
    #[arg(long, value_name = "DIR")]
    journal: PathBuf,
    /// TOML file with one `[[buyer]]` for each buyer, instead of the standard mix.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// What all draws begin with: the same seed answers the same request the same way.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The lead field that is copied into the journal, to join it with other books.
    #[arg(long, value_name = "FIELD", default_value = traffic::MARKER_FIELD)]
    marker: String,
    /// End when standard input closes, that is with the parent that holds its other end.
    #[arg(long)]
    exit_with_stdin: bool,
}

fn magic_help() -> String {
    let codes: Vec<String> = Magic::ALL
        .iter()
        .map(|(zip, magic)| format!("  {zip}  {}", magic.describe()))
        .collect();
    format!(
        "ZIP codes that steer the buyers where a lead is a test:\n{}",
        codes.join("\n")
    )
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let profiles = match &args.profile {
        Some(file) => std::fs::read_to_string(file)
            .map_err(anyhow::Error::from)
            .and_then(|text| Profile::parse(&text).map_err(anyhow::Error::from))
            .with_context(|| file.display().to_string())
            .map_err(Failure::Usage)?,
        None => Profile::standard(args.buyers),
    };
    let listen = match args.listen_base {
        0 => Listen::Any,
        base => Listen::From(base),
    };
    let stdin = if args.exit_with_stdin {
        Stdin::Life
    } else {
        Stdin::Ignored
    };
    let options = Options {
        listen,
        profiles,
        seed: args.seed,
        journal: args.journal,
        marker: args.marker,
        tap: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failure::Work)?;
    runtime.block_on(async {
        let asked = ending::asked_to_end(stdin)?;
        let sandbox = Sandbox::start(options, Arc::new(OsClock::start()))
            .await
            .map_err(|error| match error {
                StartError::Listen { .. } => Failure::usage(error),
                StartError::Journal(_) => Failure::work(error),
            })?;
        announce(&sandbox)?;
        asked.await;
        sandbox.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}

fn announce(sandbox: &Sandbox) -> Result<(), Failure> {
    let line = serde_json::json!({ "buyers": sandbox.buyers() });
    let mut out = std::io::stdout();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("standard output")
        .map_err(Failure::Work)
}
