//! `gavel clickhouse`: the embedded engine as a process of its own.
//!
//! Prints `ready http://ADDRESS` on standard output once it answers queries.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use engine::server::{self, Limits, Options, ServeError, Shutdown};
use engine::users::Users;
use rustix::process::Resource;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::Failure;

/// How long running queries get when somebody asked for an end.
const ASKED: Duration = Duration::from_secs(10);
/// And when the parent is gone: nobody is left to read their results, and the next parent waits.
const ORPHANED: Duration = Duration::from_secs(1);
/// The engine of a service yields to the service.
const NICE: i32 = 5;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Directory for the data; made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Users, one a line: `name sha256:<hex of the password's SHA-256> [readonly]`. Without it:
    /// user `default`, no password, loopback only.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// End when standard input closes, that is with the parent that holds its other end.
    #[arg(long)]
    exit_with_stdin: bool,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let library = super::engine::locate()?;
    let users = match &args.users {
        None => Users::Open,
        Some(file) => std::fs::read_to_string(file)
            .map_err(anyhow::Error::from)
            .and_then(|text| Users::parse(&text).map_err(anyhow::Error::from))
            .with_context(|| format!("users file {}", file.display()))
            .map_err(Failure::Usage)?,
    };
    settle_process(args.exit_with_stdin);
    let options = Options {
        listen: args.listen,
        data: args.data,
        library,
        users,
        limits: Limits::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failure::Work)?;
    runtime.block_on(async {
        let stdin = args.exit_with_stdin.then(watch_stdin).transpose()?;
        let shutdown = end_signal(stdin)?;
        server::serve(options, announce, shutdown)
            .await
            .map_err(|error| match error {
                ServeError::NotLoopback(_) => Failure::usage(error),
                _ => Failure::work(error),
            })
    })?;
    engine::exit_at_once(0)
}

fn announce(address: SocketAddr) {
    tracing::info!(%address, "the engine answers");
    let mut out = std::io::stdout();
    if writeln!(out, "ready http://{address}")
        .and_then(|()| out.flush())
        .is_err()
    {
        tracing::warn!("nobody reads standard output");
    }
}

/// Room for files, and a lower priority beside a service. Neither is needed to work.
fn settle_process(attendant: bool) {
    let mut files = rustix::process::getrlimit(Resource::Nofile);
    files.current = files.maximum;
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, files) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    if attendant && let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!(%error, "cannot lower the priority");
    }
}

/// Hears the end of standard input. A thread, because a read of a pipe cannot be taken back.
fn watch_stdin() -> Result<oneshot::Receiver<()>, Failure> {
    let (closed, heard) = oneshot::channel();
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut ignored = [0; 1024];
            let mut stdin = std::io::stdin();
            while matches!(stdin.read(&mut ignored), Ok(1..)) {}
            // Nobody listens any more only when the process is ending anyway.
            let _ = closed.send(());
        })
        .context("cannot start a thread")
        .map_err(Failure::Work)?;
    Ok(heard)
}

/// What ends the service, ready to be waited for.
fn end_signal(
    stdin: Option<oneshot::Receiver<()>>,
) -> Result<impl Future<Output = Shutdown>, Failure> {
    let hear = |kind| {
        signal(kind)
            .context("cannot hear signals")
            .map_err(Failure::Work)
    };
    let mut terminate = hear(SignalKind::terminate())?;
    let mut interrupt = hear(SignalKind::interrupt())?;
    Ok(async move {
        let parent_gone = async {
            match stdin {
                Some(closed) => drop(closed.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => Shutdown { grace: ASKED },
            _ = interrupt.recv() => Shutdown { grace: ASKED },
            () = parent_gone => Shutdown { grace: ORPHANED },
        }
    })
}
