//! The role behind the log: the worker fills the tables, the notifier tells publishers what is in them.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use httpd::{Readiness, Standing};
use notifier::Notifier;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use worker::Worker;

use super::generations::Known;
use super::stores::Stores;
use super::tables::{self, Tables};
use super::{ENGINE_DIR, Ground, doubt, first, joined, rules};
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
        known: &Known<S>,
        readiness: &Readiness,
        end: &CancellationToken,
    ) -> Result<Self, Failure> {
        let Ground {
            config,
            runtimes,
            engine,
            host,
            ..
        } = ground;
        let own = engine
            .as_ref()
            .map(|engine| tables::Engine::new(engine.up.clone(), config.data_dir.join(ENGINE_DIR)));
        let usual = worker::Options::new(ground.instance);
        let (settle_every, batch_every) = match &own {
            Some(_) => (tables::SETTLE_EVERY, usual.batch_every),
            None => (Duration::ZERO, tables::BATCH_EVERY),
        };
        let (handoff, inbox) = notifier::handoff();
        let tables = Tables::new(ground.warehouse.clone(), own, config.keep, handoff);
        let policy = Arc::new(ArcSwap::from_pointee(rules::policy(&known.current())));
        let obeying = Arc::clone(&policy);
        known.obeyed_by(move |current| {
            let next = Arc::new(rules::policy(current));
            let obeying = Arc::clone(&obeying);
            Ok(Box::new(move || obeying.store(next)))
        });
        let worker = Worker::new(
            stores.clone(),
            tables.clone(),
            Arc::clone(&host.clock),
            host.metrics.clone(),
            worker::Options {
                policy,
                settle_every,
                batch_every,
                ..usual
            },
        );
        let progress = worker.progress();
        readiness.register("worker", move || match progress.is_working() {
            true => Standing::Ok,
            false => Standing::missing("it has not read from the log yet"),
        });
        let clock = Arc::clone(&host.clock);
        let carrier = notifier::Http::new(&known.current().snapshot, Arc::clone(&clock));
        let (carrier, carriers) = watch::channel(Arc::new(carrier.map_err(Failure::usage)?));
        known.obeyed_by(move |current| {
            let next = notifier::Http::new(&current.snapshot, Arc::clone(&clock))?;
            let carrier = carrier.clone();
            Ok(Box::new(move || drop(carrier.send_replace(Arc::new(next)))))
        });
        let notifier = Notifier::new(notifier::Parts {
            outbox: tables,
            carriers,
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
        let (stores, until) = (stores.clone(), end.clone());
        let worker = async move {
            if first::wait("worker", stores.journeys_at_hand(), &until).await {
                worker.run(until).await;
            }
        };
        Ok(Self {
            doubt: runtimes.work.spawn(doubt),
            worker: runtimes.work.spawn(worker),
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
