//! The backend of a process: everything on this machine, or what several nodes share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use httpd::Readiness;
use store::Backend;
use store_local::{Local, LocalOptions};

use super::Ground;
use crate::cmd::Failure;

/// A backend that a process opens and closes.
pub(super) trait Stores: Backend {
    /// How long a start waits for the log before clicks and pixels are taken without it.
    const PATIENCE: Duration;

    /// Waits until the log can be read.
    ///
    /// # Errors
    /// It never will be as it is.
    fn heard(&self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Waits until leads can be looked up and counted: what nodes share was looked at, and made again if it was lost.
    fn leads_at_hand(&self) -> impl Future<Output = ()> + Send;

    /// The same, and of journeys too.
    fn journeys_at_hand(&self) -> impl Future<Output = ()> + Send;

    /// Says what is wrong with it.
    fn tell(&self, readiness: &Readiness);

    /// Takes no more and keeps what it took.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// The embedded backend.
pub(super) fn local(ground: &Ground<'_>) -> Result<Local, Failure> {
    let config = &ground.config;
    let options = LocalOptions {
        retention: config.log.retention,
        reserve_bytes: config.log.reserve_bytes,
        journeys_kept: ground.spans.journeys.clone(),
        ..LocalOptions::in_dir(config.data_dir.join("store"))
    };
    Local::open(options, Arc::clone(&ground.host.clock)).map_err(Failure::work)
}

impl Stores for Local {
    /// It is read as fast as the disk is.
    const PATIENCE: Duration = Duration::MAX;

    async fn heard(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// What this machine keeps is read when it is opened.
    async fn leads_at_hand(&self) {}

    async fn journeys_at_hand(&self) {}

    fn tell(&self, _: &Readiness) {
        // A disk that fails ends the process, and one that is full refuses what comes.
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}
