//! The loop: gather, process, insert, commit; and from time to time look at the clock. It begins once
//! the tables are there, which the worker itself sees to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Mono};
use store::{Backend, Consumer, EventLog, LogError, StoreError, Topic};
use telemetry::{
    Metrics, WORKER_BATCH_SECONDS, WORKER_FAILURES, WORKER_LAG, WORKER_RECORDS, WORKER_ROWS,
};
use tokio_util::sync::CancellationToken;
use warehouse::{Batch, Class, WarehouseError};

use crate::gather::{Gathered, gather};
use crate::overdue::Overdue;
use crate::progress::TOPICS;
use crate::{Options, Progress, Sink, events, leads};

/// The consumer group.
const GROUP: &str = "worker";

/// The worker of one process.
pub struct Worker<B, S> {
    backend: B,
    sink: S,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    options: Options,
    progress: Progress,
}

/// Why nothing more is done.
struct Stopped;

/// Why a step has to be tried again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
}

impl Failure {
    /// Whether it lasts until a person acts.
    fn needs_a_person(&self) -> bool {
        match self {
            Self::Log(_) | Self::Store(StoreError::Unavailable(_) | StoreError::Lost) => false,
            Self::Store(StoreError::Corrupt(_)) => true,
            Self::Warehouse(error) => error.class() == Class::Permanent,
        }
    }
}

impl<B: Backend, S: Sink> Worker<B, S> {
    /// A worker that has not begun.
    pub fn new(
        backend: B,
        sink: S,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        options: Options,
    ) -> Self {
        Self {
            backend,
            sink,
            clock,
            metrics,
            options,
            progress: Progress::default(),
        }
    }

    /// How far it has come, while it runs.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Works until `shutdown`. No failure ends it: it pauses and tries again. A batch is finished
    /// and committed, or left for the next run.
    pub async fn run(self, shutdown: CancellationToken) {
        // A stop takes effect where nothing is half done: between batches, and in pauses.
        let _ = self.work(&shutdown).await;
    }

    async fn work(&self, shutdown: &CancellationToken) -> Result<(), Stopped> {
        let mut pause = Pause::new(&self.options);
        while let Err(error) = self.sink.prepare().await {
            self.failed("prepare", error, &mut pause, shutdown).await?;
        }
        let mut consumer = loop {
            match self.backend.log().subscribe(GROUP, &TOPICS).await {
                Ok(consumer) => break consumer,
                Err(error) => {
                    self.failed("subscribe", error, &mut pause, shutdown)
                        .await?
                }
            }
        };
        let mut overdue = Overdue::default();
        let mut next_pass = Mono::default();
        let mut uncommitted = BTreeMap::new();
        loop {
            let gathered = tokio::select! {
                () = shutdown.cancelled() => return Err(Stopped),
                gathered =
                    gather(&mut consumer, &*self.clock, &self.options, &self.progress) => gathered,
            };
            match gathered {
                Ok(gathered) => {
                    let full = gathered.full;
                    uncommitted.extend(self.batch(gathered, shutdown).await?);
                    self.commit(&mut consumer, &mut uncommitted).await;
                    if !full && self.clock.mono() >= next_pass {
                        self.pass(&mut overdue).await;
                        next_pass = self.clock.mono().plus(self.options.overdue_every);
                    }
                }
                Err(error) => self.failed("read", error, &mut pause, shutdown).await?,
            }
        }
    }

    /// Processes and inserts a batch, as often as it takes. Returns what may be committed.
    async fn batch(
        &self,
        gathered: Gathered,
        shutdown: &CancellationToken,
    ) -> Result<BTreeMap<(Topic, u16), u64>, Stopped> {
        let began = self.clock.mono();
        let mut pause = Pause::new(&self.options);
        let batch = loop {
            match self.process(&gathered).await {
                Ok(batch) => break batch,
                Err(error) => self.failed("process", error, &mut pause, shutdown).await?,
            }
        };
        if !batch.is_empty() {
            let mut pause = Pause::new(&self.options);
            while let Err(error) = self.sink.insert(&batch).await {
                self.failed("insert", error, &mut pause, shutdown).await?;
            }
            self.metrics.add(WORKER_ROWS, [], batch.len() as u64);
            self.metrics
                .time(WORKER_BATCH_SECONDS, [], self.clock.mono().since(began));
        }
        for ((topic, _), records) in &gathered.records {
            self.metrics
                .add(WORKER_RECORDS, [topic.as_str()], records.len() as u64);
        }
        Ok(gathered.next_offsets().collect())
    }

    async fn process(&self, gathered: &Gathered) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        let Self {
            backend,
            metrics,
            options,
            ..
        } = self;
        for ((topic, partition), records) in &gathered.records {
            let partition = *partition;
            match topic {
                Topic::Leads => {
                    leads::fold(backend, metrics, partition, records, &mut batch).await?;
                }
                Topic::Events => {
                    let windows = options.windows;
                    events::apply(backend, metrics, windows, partition, records, &mut batch)
                        .await?;
                }
                Topic::Catalog => {}
            }
        }
        Ok(batch)
    }

    /// Commits what it can; the rest is tried again with the next batch.
    async fn commit<C: Consumer>(
        &self,
        consumer: &mut C,
        uncommitted: &mut BTreeMap<(Topic, u16), u64>,
    ) {
        let mut left = BTreeMap::new();
        for ((topic, partition), next_offset) in std::mem::take(uncommitted) {
            match consumer.commit(topic, partition, next_offset).await {
                Ok(()) => self.progress.reached(topic, partition, next_offset),
                Err(error) => {
                    self.metrics.count(WORKER_FAILURES, ["commit"]);
                    tracing::warn!(topic = topic.as_str(), partition, %error, "cannot commit");
                    left.insert((topic, partition), next_offset);
                }
            }
        }
        *uncommitted = left;
        if let Some(lag) = self.progress.lag(self.backend.log()) {
            self.metrics
                .set(WORKER_LAG, [], i64::try_from(lag).unwrap_or(i64::MAX));
        }
    }

    async fn pass(&self, overdue: &mut Overdue) {
        let partitions = self.progress.partitions(Topic::Leads);
        let now = self.clock.wall();
        if let Err(error) = overdue
            .pass(&self.backend, &partitions, now, self.options.instance)
            .await
        {
            self.metrics.count(WORKER_FAILURES, ["overdue"]);
            tracing::warn!(%error, "cannot end overdue leads");
        }
    }

    async fn failed(
        &self,
        step: &'static str,
        failure: impl Into<Failure>,
        pause: &mut Pause,
        shutdown: &CancellationToken,
    ) -> Result<(), Stopped> {
        let error = failure.into();
        self.metrics.count(WORKER_FAILURES, [step]);
        if error.needs_a_person() {
            tracing::error!(step, %error, "the worker stands still until this is mended");
        } else {
            tracing::warn!(step, %error, "the worker pauses and tries again");
        }
        tokio::select! {
            () = shutdown.cancelled() => Err(Stopped),
            () = tokio::time::sleep(pause.next()) => Ok(()),
        }
    }
}

/// A pause that doubles.
struct Pause {
    next: Duration,
    longest: Duration,
}

impl Pause {
    fn new(options: &Options) -> Self {
        Self {
            next: options.first_pause,
            longest: options.longest_pause,
        }
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        pause
    }
}
