//! SIGHUP: the configuration file and its catalog are read again, and the catalog is put into force. All
//! else of the configuration holds from the next start on.

use std::path::PathBuf;

use anyhow::Context as _;
use router::{Put, PutError};
use store::Backend;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::generations::Known;
use crate::cmd::check;

/// Hears the signal from now on, which would end the process else.
pub(super) fn hear() -> anyhow::Result<Signal> {
    signal(SignalKind::hangup()).context("cannot hear signals")
}

/// Obeys the signal until the end, from the last one that was heard before.
pub(super) async fn watch<B: Backend>(
    mut hangups: Signal,
    known: Known<B>,
    config: PathBuf,
    end: CancellationToken,
) {
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            heard = hangups.recv() => if heard.is_none() { return },
        }
        reread(&known, config.clone()).await;
    }
}

async fn reread<B: Backend>(known: &Known<B>, config: PathBuf) {
    let read = tokio::task::spawn_blocking(move || check::reread(&config));
    let put = match read.await {
        Ok(Ok(snapshot)) => known.put_file(snapshot).await,
        Ok(Err(problems)) => Err(PutError::Problems(problems)),
        Err(error) => Err(PutError::Unavailable(error.to_string())),
    };
    match put {
        Ok(Put::Applied(generation)) => {
            tracing::info!(generation, "the catalog file was put into force");
        }
        Ok(Put::Unchanged(generation)) => {
            tracing::info!(generation, "the catalog file is in force already");
        }
        Ok(Put::Waiting(generation)) => {
            tracing::warn!(
                generation,
                "the catalog file is in the log and not in force yet"
            );
        }
        Err(PutError::Problems(problems)) => {
            for problem in &problems {
                tracing::error!(%problem, "the catalog file is not good");
            }
            let problems = problems.len();
            tracing::error!(problems, "nothing was changed");
        }
        Err(error) => tracing::error!(%error, "the catalog file was not put into force"),
    }
}
