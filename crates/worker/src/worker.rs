//! Loops beside each other: one advances leads as soon as their records are there, one fills the
//! tables, one audits them, and one says how far behind they are. ClickHouse may be away; leads go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::{Clock, Mono, Timestamp};
use futures_util::stream::{self, StreamExt as _};
use parking_lot::Mutex;
use store::{Backend, Consumer, Record, StoreError, Topic};
use telemetry::{
    Metrics, WORKER_BATCH_SECONDS, WORKER_FAILURES, WORKER_FRESHNESS, WORKER_LAG, WORKER_RECORDS,
    WORKER_ROWS,
};
use tokio_util::sync::CancellationToken;
use warehouse::{Batch, PostbackRow, Time};

use crate::audit::{self, Compared};
use crate::gather::Gathered;
use crate::leads::{advance, tables};
use crate::notice::Standing;
use crate::overdue::Overdue;
use crate::progress::Reader;
use crate::reading::{Failure, Patience, Reading, Stopped};
use crate::rows::conversion::By;
use crate::walk::{Turned, Walks};
use crate::{Options, Progress, Sink, Told, events};

/// Partitions whose records are worked off beside each other: while a store elsewhere answers one, another is
/// worked on.
const ABREAST: usize = 8;

/// The worker of one process.
pub struct Worker<B, S> {
    backend: B,
    sink: S,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    options: Options,
    progress: Progress,
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
        let patience = Patience {
            shutdown,
            metrics: self.metrics.clone(),
            first_pause: self.options.first_pause,
            longest_pause: self.options.longest_pause,
        };
        // A stop takes effect where nothing is half done: between batches, and in pauses.
        let (Err(Stopped), Err(Stopped), Err(Stopped), Err(Stopped)) = tokio::join!(
            self.advance_leads(&patience),
            self.fill_tables(&patience),
            self.audit_tables(&patience),
            self.watch_lag(&patience),
        );
    }

    async fn read<'a>(
        &'a self,
        reader: Reader,
        patience: &'a Patience,
    ) -> Result<Reading<'a, <B::Log as store::EventLog>::Consumer>, Stopped> {
        let Self {
            backend,
            clock,
            options,
            progress,
            ..
        } = self;
        Reading::begin(reader, backend, &**clock, patience, progress, options).await
    }

    async fn advance_leads(&self, patience: &Patience) -> Result<Never, Stopped> {
        let mut reading = self.read(Reader::Leads, patience).await?;
        let mut overdue = Overdue::default();
        let mut next_pass = Mono::default();
        loop {
            let gathered = reading.next().await?;
            let mut attempts = patience.attempts("advance");
            for records in gathered.records.values() {
                while let Err(error) = advance::advance(&self.backend, records).await {
                    attempts.failed(error).await?;
                }
            }
            reading.done(&gathered);
            reading.commit().await;
            if !gathered.full && self.clock.mono() >= next_pass {
                self.pass(&mut overdue).await;
                next_pass = self.clock.mono().plus(self.options.overdue_every);
            }
        }
    }

    async fn pass(&self, overdue: &mut Overdue) {
        let (partitions, now) = (self.progress.leads(), self.clock.wall());
        let instance = self.options.instance;
        let pass = overdue.pass(&self.backend, &partitions, now, instance);
        if let Err(error) = pass.await {
            self.metrics.count(WORKER_FAILURES, ["overdue"]);
            tracing::warn!(%error, "cannot end overdue leads");
        }
    }

    async fn fill_tables(&self, patience: &Patience) -> Result<Never, Stopped> {
        let mut attempts = patience.attempts("prepare");
        while let Err(error) = self.sink.prepare().await {
            attempts.failed(error).await?;
        }
        let mut reading = self.read(Reader::Tables, patience).await?;
        let filled = self.fill(&mut reading, patience).await;
        // At the end too: what is committed is not written again.
        if reading.is_behind() && self.sink.settle().await.is_ok() {
            reading.commit().await;
        }
        filled
    }

    async fn fill<C: Consumer>(
        &self,
        reading: &mut Reading<'_, C>,
        patience: &Patience,
    ) -> Result<Never, Stopped> {
        let mut next_settled = self.clock.mono().plus(self.options.settle_every);
        let mut number = 0u64;
        let mut batch = Batch::default();
        let mut walks = Walks::default();
        loop {
            let gathered = reading.next().await?;
            let began = self.clock.mono();
            let mut attempts = patience.attempts("process");
            let turned = loop {
                match self.rows(&gathered, &mut batch, &mut walks).await {
                    Ok(turned) => break turned,
                    Err(error) => attempts.failed(error).await?,
                }
            };
            batch.name = Some(format!("{:016x}-{number}", self.options.instance));
            number = number.wrapping_add(1);
            if !batch.is_empty() {
                let mut attempts = patience.attempts("insert");
                while let Err(error) = self.sink.insert(&batch).await {
                    attempts.failed(error).await?;
                }
                self.metrics.add(WORKER_ROWS, [], batch.len() as u64);
                self.metrics
                    .time(WORKER_BATCH_SECONDS, [], self.clock.mono().since(began));
                self.freshness(&batch);
            }
            for ((topic, _), records) in &gathered.records {
                self.metrics
                    .add(WORKER_RECORDS, [topic.as_str()], records.len() as u64);
            }
            reading.done(&gathered);
            let due = reading.is_behind() && self.clock.mono() >= next_settled;
            if due || turned.is_some() {
                let mut attempts = patience.attempts("settle");
                while let Err(error) = self.sink.settle().await {
                    attempts.failed(error).await?;
                }
                reading.commit().await;
                if let Some(turned) = turned {
                    walks.turned(&self.backend, &self.metrics, turned).await;
                }
                next_settled = self.clock.mono().plus(self.options.settle_every);
            }
            self.tell_lag();
        }
    }

    /// Whatever the other loops wait for, the log grows meanwhile.
    async fn watch_lag(&self, patience: &Patience) -> Result<Never, Stopped> {
        loop {
            self.tell_lag();
            tokio::select! {
                () = patience.shutdown.cancelled() => return Err(Stopped),
                () = tokio::time::sleep(self.options.idle) => {}
            }
        }
    }

    fn tell_lag(&self) {
        if let Some(lag) = self.progress.lag(self.backend.log()) {
            let lag = i64::try_from(lag).unwrap_or(i64::MAX);
            self.metrics.set(WORKER_LAG, [], lag);
        }
    }

    /// How old what was just acknowledged is: every event, and every quote and last word on a lead.
    fn freshness(&self, batch: &Batch) {
        let now = self.clock.wall();
        let age = |time: Time| now.since(Timestamp::from_micros(time.0));
        let events = batch.events.received().map(age);
        let auctions = batch.auctions.iter().map(|row| age(row.ended_at));
        let topic = |topic: Topic| [topic.as_str()];
        self.metrics
            .times(WORKER_FRESHNESS, topic(Topic::Events), events);
        self.metrics
            .times(WORKER_FRESHNESS, topic(Topic::Leads), auctions);
    }

    async fn audit_tables(&self, patience: &Patience) -> Result<Never, Stopped> {
        audit::begin(&self.metrics);
        let mut reading = self.read(Reader::Audit, patience).await?;
        loop {
            let gathered = reading.next().await?;
            let through: Vec<_> = gathered.next_offsets().collect();
            let ranges = Compared::all(&gathered);
            let until = self.clock.mono().plus(self.options.audit_patience);
            let mut attempts = patience.attempts("audit");
            let missing = loop {
                let elsewhere = tokio::select! {
                    () = patience.shutdown.cancelled() => return Err(Stopped),
                    elsewhere = self.progress.inserted(&through) => elsewhere,
                };
                let missing = match audit::missing(&self.sink, &ranges).await {
                    Ok(missing) => missing,
                    Err(error) => {
                        attempts.failed(error).await?;
                        continue;
                    }
                };
                let late = self.clock.mono() >= until;
                if late || !missing.iter().any(|of| of.range.is_in(&elsewhere)) {
                    break missing;
                }
                // Another process writes these rows, and how far it has come is not known here.
                tokio::select! {
                    () = patience.shutdown.cancelled() => return Err(Stopped),
                    () = tokio::time::sleep(self.options.audit_every) => {}
                }
            };
            audit::tell(&self.metrics, &ranges, &missing);
            reading.done(&gathered);
            reading.commit().await;
        }
    }

    /// Makes the rows of a batch, in place of those before, and takes a turn of the walk over what older rules have
    /// judged, if there is any.
    async fn rows(
        &self,
        gathered: &Gathered,
        batch: &mut Batch,
        walks: &mut Walks,
    ) -> Result<Option<Turned>, Failure> {
        batch.clear();
        let mut standings = Vec::new();
        let Self {
            backend,
            metrics,
            options,
            ..
        } = self;
        let policy = options.policy.load_full();
        let by = By {
            rules: &policy.rules,
            told: &policy.told,
        };
        let rows = Mutex::new(&mut *batch);
        let mut partitions = Vec::with_capacity(gathered.records.len());
        for (place, records) in &gathered.records {
            partitions.push(self.of_partition(*place, records, by, &rows));
        }
        // All are heard to their end: none is left in the middle because of another one.
        let made: Vec<_> = stream::iter(partitions).buffered(ABREAST).collect().await;
        for made in made {
            standings.extend(made?);
        }
        let partitions = self.progress.events();
        let walk = walks.turn(backend, metrics, by, &partitions, options.walk);
        let (turned, again) = walk.await.unzip();
        if let Some(again) = again {
            batch.conversions.extend(again.rows);
            batch.credits.extend(again.credits);
            // A correction is for those who were told something: nobody hears of what is long past.
            standings.extend(again.standings.into_iter().map(Standing::corrected));
        }
        batch.postbacks = self.notices(standings, &policy.told).await?;
        Ok(turned)
    }

    /// Adds the rows of a partition's records; gives the conversions that it made rows of.
    async fn of_partition(
        &self,
        (topic, partition): (Topic, u16),
        records: &[Record],
        by: By<'_>,
        rows: &Mutex<&mut Batch>,
    ) -> Result<Vec<Standing>, StoreError> {
        let Self {
            backend, metrics, ..
        } = self;
        match topic {
            Topic::Leads => {
                tables::add(backend, metrics, partition, records, rows).await?;
                Ok(Vec::new())
            }
            Topic::Events => events::apply(backend, metrics, by, partition, records, rows).await,
            Topic::Catalog => Ok(Vec::new()),
        }
    }

    /// What publishers are to be told now. In the same batch as the conversions: what is committed is
    /// there to be sent.
    async fn notices(
        &self,
        mut standings: Vec<Standing>,
        told: &Told,
    ) -> Result<Vec<PostbackRow>, Failure> {
        if told.is_empty() || standings.is_empty() {
            return Ok(Vec::new());
        }
        let mut seen = BTreeSet::new();
        standings.retain(|standing| seen.insert(standing.conversion().to_owned()));
        let conversions: Vec<&str> = seen.iter().map(String::as_str).collect();
        let mut last: BTreeMap<String, Vec<PostbackRow>> = BTreeMap::new();
        for row in self.sink.postbacks(&conversions).await? {
            last.entry(row.conversion_id.clone()).or_default().push(row);
        }
        let now = self.clock.wall();
        let notices = standings.iter().flat_map(|standing| {
            let last = last
                .get(standing.conversion())
                .map_or(&[][..], Vec::as_slice);
            standing.notices(last, told, now)
        });
        Ok(notices.collect())
    }
}

/// What a loop without an end returns.
enum Never {}
