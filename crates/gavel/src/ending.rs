//! What ends a subcommand that serves: SIGTERM, Ctrl-C, or the end of the process that started it.

use std::io::Read as _;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::cmd::Failure;

/// Whether the process lives only as long as its standard input is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stdin {
    /// It does: the parent holds the other end, however it dies.
    Life,
    /// It does not.
    Ignored,
}

/// What asked for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SIGTERM or Ctrl-C.
    BySignal,
    /// The parent is gone, or has closed its end on purpose.
    ByParent,
}

/// Becomes ready when the process is asked to end. To be called inside a runtime, and early: a signal
/// that comes before it still ends the process the hard way.
pub(crate) fn asked_to_end(stdin: Stdin) -> Result<impl Future<Output = Asked>, Failure> {
    let hear = |kind| {
        signal(kind)
            .context("cannot hear signals")
            .map_err(Failure::Work)
    };
    let mut terminate = hear(SignalKind::terminate())?;
    let mut interrupt = hear(SignalKind::interrupt())?;
    let closed = match stdin {
        Stdin::Life => Some(watch_stdin()?),
        Stdin::Ignored => None,
    };
    Ok(async move {
        let parent_gone = async {
            match closed {
                Some(closed) => drop(closed.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => Asked::BySignal,
            _ = interrupt.recv() => Asked::BySignal,
            () = parent_gone => Asked::ByParent,
        }
    })
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
