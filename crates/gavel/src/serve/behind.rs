//! The role behind the log: the worker fills the tables, the notifier tells publishers what is in them.

use std::sync::Arc;
use std::time::Duration;

use httpd::{Readiness, Standing};
use notifier::Notifier;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use worker::Worker;

use super::stores::Stores;
use super::tables::{self, Tables};
use super::{ENGINE_DIR, Ground, doubt, joined, rules};
use crate::cmd::Failure;

/// Its running tasks.
pub(super) struct Behind {
    worker: JoinHandle<()>,
    notifier: JoinHandle<()>,
    doubt: JoinHandle<()>,
}

impl Behind {
    pub(super) fn start<S: Stores>(
        ground: &Ground<'_>,
        stores: &S,
        readiness: &Readiness,
        end: &CancellationToken,
    ) -> Result<Self, Failure> {
        let Ground {
            config,
            snapshot,
            runtimes,
            engine,
            host,
            ..
        } = ground;
        let own = engine.as_ref().map(|engine| tables::Engine {
            up: engine.up.clone(),
            dir: config.data_dir.join(ENGINE_DIR),
        });
        let settle_every = match &own {
            Some(_) => tables::SETTLE_EVERY,
            None => Duration::ZERO,
        };
        let (handoff, inbox) = notifier::handoff();
        let tables = Tables::new(ground.warehouse.clone(), own, config.keep, handoff);
        let worker = Worker::new(
            stores.clone(),
            tables.clone(),
            Arc::clone(&host.clock),
            host.metrics.clone(),
            worker::Options {
                rules: rules::of(snapshot, stores),
                settle_every,
                told: rules::told(snapshot),
                ..worker::Options::new(ground.instance)
            },
        );
        let progress = worker.progress();
        readiness.register("worker", move || match progress.is_working() {
            true => Standing::Ok,
            false => Standing::missing("it has not read from the log yet"),
        });
        let carrier = notifier::Http::new(snapshot, Arc::clone(&host.clock));
        let notifier = Notifier::new(notifier::Parts {
            outbox: tables,
            carrier: carrier.map_err(Failure::usage)?,
            inbox,
            clock: Arc::clone(&host.clock),
            entropy: Arc::clone(&host.entropy),
            metrics: host.metrics.clone(),
            options: notifier::Options::default(),
        });
        let doubt = doubt::watch(
            ground.warehouse.clone(),
            Arc::clone(&host.clock),
            host.metrics.clone(),
            end.clone(),
        );
        Ok(Self {
            doubt: runtimes.work.spawn(doubt),
            worker: runtimes.work.spawn(worker.run(end.clone())),
            notifier: runtimes.work.spawn(notifier.run(end.clone())),
        })
    }

    /// Waits until they have finished what they were at.
    pub(super) async fn ended(self) {
        joined("worker", self.worker.await);
        joined("notifier", self.notifier.await);
        joined("legs in doubt", self.doubt.await);
    }
}
