//! The embedded ClickHouse as a child process: started, watched, started again.
//!
//! A crash or a stall of the engine must not touch an auction, and the engine must not outlive its
//! parent: it ends when the pipe to its standard input closes, however the parent ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Opening a large data directory, or waiting for the lock of the engine before, may take this long.
const START: Duration = Duration::from_secs(60);
/// An engine that is asked to end gets this long.
const STOP: Duration = Duration::from_secs(15);
/// Between two starts: doubled up to the second value, and back to the first after a good start.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How the child is started.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// The port stays the same over restarts, so it cannot be 0.
    pub(super) listen: SocketAddr,
    pub(super) data: PathBuf,
    /// Who may ask.
    pub(super) users: PathBuf,
    pub(super) library: PathBuf,
}

/// A running engine.
struct Running {
    child: Child,
    /// Held open: its end is the child's.
    _stdin: ChildStdin,
}

/// The supervisor.
pub(super) struct Supervisor {
    /// Whether the engine answers now.
    pub(super) up: watch::Receiver<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Supervisor {
    /// Starts the engine and keeps it running until `end`. Not where leads or clicks are served: the kernel
    /// may take seconds of processor time to bury a large process that runs when nobody else does.
    pub(super) fn start(
        order: Order,
        runtime: &Runtime,
        end: CancellationToken,
    ) -> anyhow::Result<Self> {
        let executable = std::env::current_exe().context("cannot find the own executable")?;
        let (state, up) = watch::channel(false);
        let task = runtime.spawn(keep(executable, order, state, end));
        Ok(Self { up, task })
    }

    /// Waits until the engine has ended, after `end`.
    pub(super) async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the engine's supervisor ended badly");
        }
    }
}

async fn keep(
    executable: PathBuf,
    order: Order,
    state: watch::Sender<bool>,
    end: CancellationToken,
) {
    let mut pause = PAUSE.0;
    loop {
        let started = tokio::select! {
            () = end.cancelled() => return,
            started = start(&executable, &order) => started,
        };
        match started {
            Ok(mut running) => {
                pause = PAUSE.0;
                state.send_replace(true);
                tracing::info!(address = %order.listen, "the engine answers");
                tokio::select! {
                    () = end.cancelled() => return stop(running).await,
                    status = running.child.wait() => {
                        state.send_replace(false);
                        tracing::warn!(status = ?status.ok(), "the engine ended: starting it again");
                    }
                }
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the engine does not start");
                tokio::select! {
                    () = end.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(PAUSE.1);
            }
        }
    }
}

async fn start(executable: &Path, order: &Order) -> anyhow::Result<Running> {
    let mut command = Command::new(executable);
    command.arg("clickhouse").arg("--exit-with-stdin");
    command.arg("--listen").arg(order.listen.to_string());
    command.arg("--data").arg(&order.data);
    command.arg("--users").arg(&order.users);
    command.env("GAVEL_LIBCHDB", &order.library);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let mut child = command
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the engine")?;
    let stdin = child
        .stdin
        .take()
        .context("the engine has no standard input")?;
    let stdout = child
        .stdout
        .take()
        .context("the engine has no standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    let ready = tokio::time::timeout(START, lines.next_line()).await;
    let ready = ready.context("the engine did not get ready in time")??;
    let Some(ready) = ready else {
        let status = child.wait().await?;
        bail!("the engine ended before it was ready: {status}");
    };
    if ready.strip_prefix("ready http://") != Some(order.listen.to_string().as_str()) {
        bail!("the engine said {ready:?}");
    }
    Ok(Running {
        child,
        _stdin: stdin,
    })
}

async fn stop(running: Running) {
    let Running {
        mut child,
        _stdin: stdin,
    } = running;
    drop(stdin);
    match tokio::time::timeout(STOP, child.wait()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the engine cannot be waited for"),
        Err(_) => {
            tracing::warn!("the engine does not end: killing it");
            if let Err(error) = child.kill().await {
                tracing::warn!(%error, "the engine cannot be killed");
            }
        }
    }
}
