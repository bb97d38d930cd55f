//! The loop: fills the lines from inbox and table, makes attempts, and writes what came of them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Entropy, Timestamp};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use telemetry::{
    Metrics, NOTIFIER_FAILURES, NOTIFIER_HELD, NOTIFIER_OLDEST, NOTIFIER_POSTBACKS,
    NOTIFIER_TOLD_SECONDS,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use warehouse::{PostbackRow, PostbackState, Time, WarehouseError};

use crate::lines::Lines;
use crate::{Answered, Backoff, Carrier, Inbox, Outbox};

/// The longest sleep: so often the gauges are set.
const TICK: Duration = Duration::from_secs(1);
/// How long a step that has begun may take once the end is asked for.
const MOMENT: Duration = Duration::from_secs(2);
/// Results that are written at once, whatever the time.
const MOST_RESULTS: usize = 500;

/// Limits and pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What follows a failed attempt.
    pub backoff: Backoff,
    /// Most notices of a publisher in memory; the others stay in the table.
    pub most: usize,
    /// How long results are gathered before they are written.
    pub write_every: Duration,
    /// The pause after a failure of the table; it doubles up to `longest_pause`.
    pub first_pause: Duration,
    /// The longest pause between two tries.
    pub longest_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            most: 1000,
            write_every: Duration::from_secs(1),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
        }
    }
}

/// What a notifier is made of.
pub struct Parts<O, C> {
    /// The table.
    pub outbox: O,
    /// Who brings notices; another one may take its place at any time.
    pub carriers: watch::Receiver<Arc<C>>,
    /// What the worker hands over.
    pub inbox: Inbox,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For the pauses.
    pub entropy: Arc<dyn Entropy>,
    /// Where it counts.
    pub metrics: Metrics,
    /// Limits and pauses.
    pub options: Options,
}

/// The notifier of one process.
pub struct Notifier<O, C> {
    parts: Parts<O, C>,
}

/// Nothing more is done.
struct Stopped;

impl<O: Outbox, C: Carrier> Notifier<O, C> {
    /// One that has not begun.
    pub fn new(parts: Parts<O, C>) -> Self {
        Self { parts }
    }

    /// Works until `shutdown`. No failure ends it. What is on its way then is sent again by the next.
    pub async fn run(self, shutdown: CancellationToken) {
        let Parts {
            outbox,
            mut carriers,
            mut inbox,
            clock,
            entropy,
            metrics,
            options,
        } = self.parts;
        let mut carrier = Arc::clone(&carriers.borrow_and_update());
        let mut desk = Desk {
            lines: Lines::new(carrier.publishers(), options.most),
            outbox,
            clock,
            entropy,
            metrics,
            options,
            results: Vec::new(),
            write_at: None,
            shutdown,
        };
        let mut attempts = FuturesUnordered::new();
        while let Ok(sleep) = desk.turn(&inbox).await {
            let now = desk.clock.wall();
            while let Some(notice) = desk.lines.next(now.into()) {
                let carrier = Arc::clone(&carrier);
                attempts.push(async move {
                    let answered = carrier.send(&notice).await;
                    (notice, answered)
                });
            }
            let shutdown = desk.shutdown.clone();
            tokio::select! {
                () = shutdown.cancelled() => {}
                Some((notice, answered)) = attempts.next() => desk.ended(notice, answered),
                Some(notice) = inbox.next() => desk.lines.offer(notice),
                Ok(()) = carriers.changed() => {
                    carrier = Arc::clone(&carriers.borrow_and_update());
                    desk.lines.change(carrier.publishers());
                }
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }
}

/// All but what is on its way.
struct Desk<O> {
    lines: Lines,
    outbox: O,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Metrics,
    options: Options,
    /// Rows that are to be written, and by when.
    results: Vec<PostbackRow>,
    write_at: Option<Timestamp>,
    shutdown: CancellationToken,
}

impl<O: Outbox> Desk<O> {
    /// What is to be done between attempts. Returns how long there is nothing to do.
    async fn turn(&mut self, inbox: &Inbox) -> Result<Duration, Stopped> {
        if inbox.missed() {
            self.lines.missed();
        }
        // Before the table is read, it has to say what came of attempts.
        let now = self.clock.wall();
        let hungry = self.lines.hungry();
        let late = self.write_at.is_some_and(|at| at <= now);
        if late
            || hungry.is_some()
            || self.shutdown.is_cancelled()
            || self.results.len() >= MOST_RESULTS
        {
            self.write().await?;
        }
        if self.shutdown.is_cancelled() {
            return Err(Stopped);
        }
        if let Some((publisher, most)) = hungry {
            self.feed(&publisher, most).await?;
        }
        let now = self.clock.wall();
        let (held, oldest) = self.lines.held();
        let oldest = oldest.map_or(Duration::ZERO, |Time(us)| {
            now.since(Timestamp::from_micros(us))
        });
        self.metrics
            .set(NOTIFIER_HELD, [], i64::try_from(held).unwrap_or(i64::MAX));
        self.metrics.set(
            NOTIFIER_OLDEST,
            [],
            i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX),
        );
        let wake = self.lines.wake().map(|Time(us)| Timestamp::from_micros(us));
        let first = wake.into_iter().chain(self.write_at).min();
        if self.lines.hungry().is_some() {
            return Ok(Duration::ZERO);
        }
        Ok(first.map_or(TICK, |at| at.since(now).min(TICK)))
    }

    /// An attempt is over.
    fn ended(&mut self, notice: PostbackRow, answered: Answered) {
        let now = self.clock.wall();
        let attempts = notice.attempts.saturating_add(1);
        let mut row = PostbackRow {
            attempts,
            http_status: answered.status.unwrap_or(0),
            error: answered.error.unwrap_or_default(),
            ..notice
        };
        let (state, result) = if row.error.is_empty() {
            row.told_at = Some(now.into());
            let age = now.since(Timestamp::from_micros(row.made_at.0));
            self.metrics.time(NOTIFIER_TOLD_SECONDS, [], age);
            (PostbackState::Told, "told")
        } else if let Some(pause) = self.options.backoff.pause(attempts, self.entropy.as_ref()) {
            row.next_at = now.plus(pause).into();
            (PostbackState::Waiting, "failed")
        } else {
            let (publisher, notice) = (&row.publisher, &row.notice_id);
            let error = &row.error;
            tracing::error!(
                publisher,
                notice,
                attempts,
                error,
                "a publisher cannot be told: given up"
            );
            (PostbackState::Dead, "dead")
        };
        self.metrics.count(NOTIFIER_POSTBACKS, [result]);
        row.state = state.as_str().to_owned();
        self.results.extend(self.lines.ended(row.versioned()));
        let by = now.plus(self.options.write_every);
        self.write_at = self.write_at.or(Some(by));
    }

    /// Writes what came of attempts.
    async fn write(&mut self) -> Result<(), Stopped> {
        let rows = std::mem::take(&mut self.results);
        self.write_at = None;
        if rows.is_empty() {
            return Ok(());
        }
        let mut pause = self.options.first_pause;
        while let Err(error) = self.in_time(self.outbox.write(&rows)).await? {
            self.failed("write", error, &mut pause).await?;
        }
        Ok(())
    }

    /// Reads what the table has of a publisher.
    async fn feed(&mut self, publisher: &str, most: usize) -> Result<(), Stopped> {
        let mut pause = self.options.first_pause;
        let rows = loop {
            match self.in_time(self.outbox.waiting(publisher, most)).await? {
                Ok(rows) => break rows,
                Err(error) => self.failed("read", error, &mut pause).await?,
            }
        };
        self.lines.fed(publisher, rows.len() >= most);
        rows.into_iter().for_each(|row| self.lines.offer(row));
        Ok(())
    }

    /// Waits for a step, and once the end is asked for only a moment longer.
    async fn in_time<T>(&self, step: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::select! {
            biased;
            done = step => Ok(done),
            () = ended(&self.shutdown) => Err(Stopped),
        }
    }

    /// Pauses after a failure, longer each time; then the step is to be tried again.
    async fn failed(
        &self,
        step: &'static str,
        error: WarehouseError,
        pause: &mut Duration,
    ) -> Result<(), Stopped> {
        self.metrics.count(NOTIFIER_FAILURES, [step]);
        tracing::warn!(step, %error, "the notifier pauses and tries again");
        let wait = *pause;
        *pause = wait.saturating_mul(2).min(self.options.longest_pause);
        tokio::select! {
            () = self.shutdown.cancelled() => Err(Stopped),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}

/// A moment after the shutdown.
async fn ended(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(MOMENT).await;
}
