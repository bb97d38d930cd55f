//! `gavel clickhouse`: the embedded engine as a process of its own.
//!
//! Prints `ready http://ADDRESS` on standard output once it answers queries.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use domain::Entropy as _;
use engine::roll::Source;
use engine::server::{self, Limits, Options, ServeError, Shutdown};
use rustix::process::Resource;

use super::Failure;
use crate::ending::{self, Asked, Stdin};
use crate::os::OsEntropy;

/// How long running queries get when somebody asked for an end.
const ASKED: Duration = Duration::from_secs(10);
/// And when the parent is gone: nobody is left to read their results, and the next parent waits.
const ORPHANED: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Directory for the data; made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Users, one a line: `name password [writer|readonly] [limit=number ..]`, the password as
    /// `sha256:<hex>`, `double_sha1:<hex>` or `none`; read again when it changes. Without it: user `default`,
    /// no password, loopback only.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// End when standard input closes, that is with the parent that holds its other end.
    #[arg(long)]
    exit_with_stdin: bool,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let library = super::engine::locate()?;
    let users = args.users.map_or(Source::Open, Source::File);
    make_room_for_files();
    let mut key = [0; 32];
    OsEntropy.fill(&mut key);
    let options = Options {
        listen: args.listen,
        data: args.data,
        library,
        users,
        key,
        limits: Limits::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failure::Work)?;
    runtime.block_on(async {
        let stdin = if args.exit_with_stdin {
            Stdin::Life
        } else {
            Stdin::Ignored
        };
        let asked = ending::asked_to_end(stdin)?;
        let shutdown = async {
            let grace = match asked.await {
                Asked::BySignal => ASKED,
                Asked::ByParent => ORPHANED,
            };
            Shutdown { grace }
        };
        let attends = args.exit_with_stdin;
        let ready = |address| {
            announce(address);
            if attends {
                go_last();
            }
        };
        server::serve(options, ready, shutdown)
            .await
            .map_err(|error| match error {
                ServeError::NotLoopback(_) | ServeError::Users(_) => Failure::usage(error),
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

/// It works with less.
fn make_room_for_files() {
    let mut files = rustix::process::getrlimit(Resource::Nofile);
    files.current = files.maximum;
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, files) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// Beside a service, once that has what it waited for: a thread of a lower priority still ends its turn, which is
/// milliseconds, before one of a higher goes on; one that only runs when nothing else does is stopped at once. It is
/// also the last to get at the disk, and on a busy machine would take minutes to start so.
fn go_last() {
    if let Err(error) = engine::run_when_idle() {
        tracing::warn!(%error, "cannot lower the priority");
    }
}
