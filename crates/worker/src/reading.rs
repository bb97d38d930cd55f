//! What all readers of the log share: a consumer, batches, commits, and patience.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Clock, Mono};
use store::{Backend, Consumer, EventLog, LogError, StoreError, Topic};
use telemetry::{Metrics, WORKER_FAILURES};
use tokio_util::sync::CancellationToken;
use warehouse::{Class, WarehouseError};

use crate::gather::{Fill, Gathered, Pace, gather};
use crate::progress::Reader;
use crate::{Options, Progress};

/// Why nothing more is done.
pub(crate) struct Stopped;

/// Why a step has to be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
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
            // It is over once this node obeys the generation that others do.
            Self::Store(StoreError::Outdated(_)) => false,
            Self::Log(_) | Self::Store(StoreError::Unavailable(_) | StoreError::Lost) => false,
            Self::Store(StoreError::Corrupt(_)) => true,
            Self::Warehouse(error) => error.class() == Class::Permanent,
        }
    }
}

/// How failures are borne.
pub(crate) struct Patience {
    pub(crate) shutdown: CancellationToken,
    pub(crate) metrics: Metrics,
    pub(crate) first_pause: Duration,
    pub(crate) longest_pause: Duration,
}

/// The attempts at one step.
pub(crate) struct Attempts<'a> {
    patience: &'a Patience,
    step: &'static str,
    pause: Duration,
}

impl Patience {
    /// Begins a step.
    pub(crate) fn attempts(&self, step: &'static str) -> Attempts<'_> {
        Attempts {
            patience: self,
            step,
            pause: self.first_pause,
        }
    }
}

impl Attempts<'_> {
    /// Pauses after a failure, longer each time; then the step is to be tried again.
    pub(crate) async fn failed(&mut self, error: impl Into<Failure>) -> Result<(), Stopped> {
        let Self {
            patience,
            step,
            pause,
        } = self;
        let error = error.into();
        patience.metrics.count(WORKER_FAILURES, [step]);
        if error.needs_a_person() {
            tracing::error!(step, %error, "the worker stands still until this is mended");
        } else {
            tracing::warn!(step, %error, "the worker pauses and tries again");
        }
        let wait = *pause;
        *pause = pause.saturating_mul(2).min(patience.longest_pause);
        tokio::select! {
            () = patience.shutdown.cancelled() => Err(Stopped),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}

/// A reader at work.
pub(crate) struct Reading<'a, C> {
    reader: Reader,
    consumer: C,
    clock: &'a dyn Clock,
    patience: &'a Patience,
    progress: &'a Progress,
    fill: Fill,
    idle: Duration,
    /// Batches begin so far apart.
    period: Duration,
    /// When the next may.
    not_before: Mono,
    /// How long one waits for more records.
    linger: Duration,
    /// What is done and not committed yet.
    uncommitted: BTreeMap<(Topic, u16), u64>,
}

impl<'a, C: Consumer> Reading<'a, C> {
    /// Joins the reader's group.
    pub(crate) async fn begin<B>(
        reader: Reader,
        backend: &B,
        clock: &'a dyn Clock,
        patience: &'a Patience,
        progress: &'a Progress,
        options: &Options,
    ) -> Result<Self, Stopped>
    where
        B: Backend,
        B::Log: EventLog<Consumer = C>,
    {
        let (group, topics) = (reader.group(), reader.topics());
        let mut attempts = patience.attempts("subscribe");
        let consumer = loop {
            match backend.log().subscribe(group, topics).await {
                Ok(consumer) => break consumer,
                Err(error) => attempts.failed(error).await?,
            }
        };
        Ok(Self {
            reader,
            consumer,
            clock,
            patience,
            progress,
            fill: Fill {
                records: options.max_records,
                bytes: options.max_bytes,
            },
            idle: options.idle,
            period: match reader {
                Reader::Leads => Duration::ZERO,
                Reader::Tables => options.batch_every,
                Reader::Audit => options.audit_every,
            },
            not_before: clock.mono(),
            linger: match reader {
                Reader::Leads => options.leads_after,
                Reader::Tables | Reader::Audit => Duration::ZERO,
            },
            uncommitted: BTreeMap::new(),
        })
    }

    /// The next batch; empty if nothing came for a while.
    pub(crate) async fn next(&mut self) -> Result<Gathered, Stopped> {
        let mut attempts = self.patience.attempts("read");
        loop {
            let pace = Pace {
                idle: self.idle,
                not_before: self.not_before,
                linger: self.linger,
            };
            let Self {
                consumer,
                reader,
                clock,
                fill,
                progress,
                ..
            } = self;
            let gathered = tokio::select! {
                () = self.patience.shutdown.cancelled() => return Err(Stopped),
                gathered = gather(consumer, *reader, *clock, pace, *fill, progress) => gathered,
            };
            match gathered {
                Ok(gathered) => {
                    self.progress.begun(self.reader);
                    // Whoever has them now reads again what was not committed.
                    for revoked in &gathered.revoked {
                        self.uncommitted.remove(revoked);
                    }
                    self.not_before = self.clock.mono().plus(self.period);
                    return Ok(gathered);
                }
                Err(error) => attempts.failed(error).await?,
            }
        }
    }

    /// A batch is done, to be committed with the next call of [`Self::commit`].
    pub(crate) fn done(&mut self, done: &Gathered) {
        for ((topic, partition), next_offset) in done.next_offsets() {
            let place = (self.reader, topic, partition);
            self.progress.reached(place, next_offset);
            self.uncommitted.insert((topic, partition), next_offset);
        }
    }

    /// Whether there is something to commit.
    pub(crate) fn is_behind(&self) -> bool {
        !self.uncommitted.is_empty()
    }

    /// Commits what is done.
    pub(crate) async fn commit(&mut self) {
        if self.uncommitted.is_empty() {
            return;
        }
        let done = self.uncommitted.iter();
        let done: Vec<_> = done
            .map(|((topic, partition), next_offset)| (*topic, *partition, *next_offset))
            .collect();
        match self.consumer.commit(&done).await {
            Ok(()) => self.uncommitted.clear(),
            Err(error) => {
                self.patience.metrics.count(WORKER_FAILURES, ["commit"]);
                let (reader, partitions) = (self.reader.group(), done.len());
                tracing::warn!(reader, partitions, %error, "cannot commit");
            }
        }
    }
}
