//! A small world for the worker's laws: records, a table in memory that fails and crashes on cue,
//! and a clock that stands.

mod clock;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use domain::{Clock, Timestamp};
use notifier::{Handoff, Outbox};
use proptest::prop_assert_eq;
use proptest::test_runner::TestCaseError;
use proto::{EventRecord, LeadRecord, Message as _};
use serde::Serialize;
use serde_json::Value;
use store::{Ack, Backend, EventLog as _, Journeys as _, Limits, Topic, key};
use store_local::{Local, LocalOptions};
use telemetry::Metrics;
use tokio_util::sync::CancellationToken;
use warehouse::{Batch, PostbackRow, Sought, WarehouseError};
use worker::{Options, Policy, Progress, Rules, Sink, Told, Worker};

pub(crate) use clock::Standing;

/// A person of more visitors links none.
pub(crate) const VISITORS_PER_PERSON: usize = 2;

/// When everything begins.
pub(crate) const T0: i64 = 1_800_000_000_000_000;

/// No wait is longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// When everything begins.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_micros(T0)
}

/// What a law runs on.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// Fails by the first key under which two worlds differ.
pub(crate) fn alike<K: Ord + Debug, V: PartialEq + Debug>(
    expected: &BTreeMap<K, V>,
    got: &BTreeMap<K, V>,
) -> Result<(), TestCaseError> {
    for key in expected.keys().chain(got.keys()) {
        prop_assert_eq!(got.get(key), expected.get(key), "{:?}", key);
    }
    Ok(())
}

/// What an insert does besides succeeding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Succeed,
    /// Nothing is written.
    Refuse,
    /// Nothing is written, and the answer is that all is well.
    Swallow,
    /// Everything is written, and the answer is lost.
    LoseAnswer,
    /// Nothing is written, and no answer ever comes.
    Hang,
    /// Everything is written, and the process dies.
    Die,
    /// Half of it is written, and the process dies.
    DieHalfway,
    /// All is well until the rows are to be settled: then the process dies.
    DieUnsettled,
}

/// By table and key, with their versions.
type Rows = BTreeMap<(String, String), (u64, Value)>;

/// Rows by table and key, replaced by version.
#[derive(Clone, Default)]
pub(crate) struct Tables(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    rows: Rows,
    /// Those that a power cut leaves.
    settled: Rows,
    /// Whether the next settling does not happen.
    unsettled: bool,
    /// What the next inserts do; then they succeed.
    fates: VecDeque<Fate>,
    /// What the notifier's next writes do.
    outbox: VecDeque<Fate>,
    /// Who is given the notices that were inserted.
    handoff: Option<Handoff>,
    inserts: u32,
    /// Whether questions go unanswered.
    mute: bool,
    died: CancellationToken,
}

impl Tables {
    pub(crate) fn plan(&self, fates: impl IntoIterator<Item = Fate>) {
        let mut inner = self.0.lock().unwrap();
        inner.fates = fates.into_iter().collect();
        inner.unsettled = false;
        inner.died = CancellationToken::new();
    }

    /// What was not settled is gone.
    pub(crate) fn cut_power(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.rows = inner.settled.clone();
    }

    /// Only these rows are there, as they were.
    pub(crate) fn put_back(&self, kept: &BTreeMap<(String, String), Value>) {
        let mut inner = self.0.lock().unwrap();
        inner.rows.retain(|key, _| kept.contains_key(key));
        for (key, (version, row)) in &mut inner.rows {
            if *row != kept[key] {
                row.clone_from(&kept[key]);
                *version = 0;
            }
        }
        inner.settled = inner.rows.clone();
    }

    pub(crate) fn mute(&self, mute: bool) {
        self.0.lock().unwrap().mute = mute;
    }

    pub(crate) fn plan_outbox(&self, fates: impl IntoIterator<Item = Fate>) {
        self.0.lock().unwrap().outbox = fates.into_iter().collect();
    }

    pub(crate) fn hand_to(&self, handoff: Handoff) {
        self.0.lock().unwrap().handoff = Some(handoff);
    }

    pub(crate) fn died(&self) -> CancellationToken {
        self.0.lock().unwrap().died.clone()
    }

    /// All rows of all tables, without their versions.
    pub(crate) fn all(&self) -> BTreeMap<(String, String), Value> {
        let rows = &self.0.lock().unwrap().rows;
        rows.iter()
            .map(|(key, (_, row))| (key.clone(), row.clone()))
            .collect()
    }

    pub(crate) fn of(&self, table: &str) -> Vec<Value> {
        let all = self.all().into_iter();
        all.filter(|((of, _), _)| of == table)
            .map(|(_, row)| row)
            .collect()
    }

    /// Writes as it is planned.
    async fn suffer(&self, fate: Fate, batch: &Batch) -> Result<(), WarehouseError> {
        let lost = || Err(WarehouseError::Unreachable("planned".to_owned()));
        match fate {
            Fate::Succeed => self.write(batch, usize::MAX),
            Fate::DieUnsettled => {
                self.write(batch, usize::MAX);
                self.0.lock().unwrap().unsettled = true;
            }
            Fate::Refuse => return lost(),
            Fate::Swallow => {}
            Fate::Hang => std::future::pending().await,
            Fate::LoseAnswer => {
                self.write(batch, usize::MAX);
                return lost();
            }
            Fate::Die | Fate::DieHalfway => {
                let most = if fate == Fate::Die {
                    usize::MAX
                } else {
                    batch.len() / 2
                };
                self.write(batch, most);
                self.died().cancel();
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }

    /// Rows of `postbacks`, with their versions.
    fn postback_rows(&self, of: impl Fn(&Value) -> bool) -> Vec<PostbackRow> {
        let inner = self.0.lock().unwrap();
        let rows = inner.rows.iter();
        let rows = rows.filter(|((table, _), (_, row))| table == "postbacks" && of(row));
        let read = rows.map(|(_, (version, row))| {
            let mut row = row.clone();
            row["version"] = (*version).into();
            serde_json::from_value(row).unwrap()
        });
        read.collect()
    }

    fn write(&self, batch: &Batch, most: usize) {
        let mut rows = Vec::new();
        let events: Result<Vec<_>, _> = batch.events.iter().collect();
        push(&mut rows, "events", &["event_id"], &events.unwrap());
        push(&mut rows, "leads", &["lead_id"], &batch.leads);
        push(&mut rows, "posts", &["sale_id"], &batch.posts);
        push(
            &mut rows,
            "auctions",
            &["auction_id", "kind", "lead_id"],
            &batch.auctions,
        );
        push(
            &mut rows,
            "pings",
            &["auction_id", "contract"],
            &batch.pings,
        );
        push(
            &mut rows,
            "conversions",
            &["conversion_id"],
            &batch.conversions,
        );
        push(
            &mut rows,
            "credits",
            &["conversion_id", "model"],
            &batch.credits,
        );
        push(&mut rows, "refusals", &["request_id"], &batch.refusals);
        push(
            &mut rows,
            "postbacks",
            &["conversion_id", "publisher"],
            &batch.postbacks,
        );
        push(
            &mut rows,
            "dead_letters",
            &["topic", "partition", "offset"],
            &batch.dead_letters,
        );
        let mut inner = self.0.lock().unwrap();
        for (key, version, row) in rows.into_iter().take(most) {
            match inner.rows.get(&key) {
                Some((known, _)) if *known > version => {}
                // Two notifiers may have made the same attempt; the first to say so holds.
                Some((known, was)) if *known == version && key.0 == "postbacks" => {
                    assert_eq!(was["notice_id"], row["notice_id"], "{key:?}");
                }
                Some((known, was)) if *known == version => {
                    assert_eq!(*was, row, "equal versions of {key:?} mean equal rows");
                }
                _ => {
                    inner.rows.insert(key, (version, row));
                }
            }
        }
    }
}

type Written = ((String, String), u64, Value);

fn push(out: &mut Vec<Written>, table: &str, key: &[&str], rows: &[impl Serialize]) {
    for row in rows {
        let mut row = serde_json::to_value(row).unwrap();
        let id: Vec<String> = key.iter().map(|column| row[column].to_string()).collect();
        let columns = row.as_object_mut().unwrap();
        let version = columns
            .remove("version")
            .and_then(|version| version.as_u64());
        out.push(((table.to_owned(), id.join("/")), version.unwrap_or(0), row));
    }
}

impl Sink for Tables {
    async fn prepare(&self) -> Result<(), WarehouseError> {
        Ok(())
    }

    async fn insert(&self, batch: &Batch) -> Result<(), WarehouseError> {
        let fate = {
            let mut inner = self.0.lock().unwrap();
            inner.inserts += 1;
            inner.fates.pop_front().unwrap_or(Fate::Succeed)
        };
        self.suffer(fate, batch).await?;
        if let Some(handoff) = &self.0.lock().unwrap().handoff {
            handoff.offer(&batch.postbacks);
        }
        Ok(())
    }

    async fn settle(&self) -> Result<(), WarehouseError> {
        let dies = {
            let mut inner = self.0.lock().unwrap();
            if !inner.unsettled {
                inner.settled = inner.rows.clone();
            }
            inner.unsettled
        };
        if dies {
            self.died().cancel();
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn postbacks(&self, conversions: &[&str]) -> Result<Vec<PostbackRow>, WarehouseError> {
        Ok(self.postback_rows(|row| {
            (row["conversion_id"].as_str()).is_some_and(|id| conversions.contains(&id))
        }))
    }

    async fn held(
        &self,
        sought: Sought,
        keys: &[&str],
        _: Option<RangeInclusive<Timestamp>>,
    ) -> Result<u64, WarehouseError> {
        let inner = self.0.lock().unwrap();
        if inner.mute {
            return Err(WarehouseError::Unreachable("planned".to_owned()));
        }
        let rows = inner.rows.iter();
        let held = rows.filter(|((table, _), (_, row))| {
            let counts = |(column, value): (&str, &str)| row[column] == value;
            table == sought.table().name()
                && row[sought.key()]
                    .as_str()
                    .is_some_and(|key| keys.contains(&key))
                && sought.only().is_none_or(counts)
        });
        Ok(held.count() as u64)
    }

    async fn letters(
        &self,
        topic: Topic,
        partition: u16,
        offsets: Range<u64>,
    ) -> Result<BTreeSet<u64>, WarehouseError> {
        let letters = self.of("dead_letters").into_iter();
        let of_partition =
            letters.filter(|row| row["topic"] == topic.as_str() && row["partition"] == partition);
        let all = of_partition.filter_map(|row| row["offset"].as_u64());
        Ok(all.filter(|offset| offsets.contains(offset)).collect())
    }
}

impl Outbox for Tables {
    async fn waiting(
        &self,
        publisher: &str,
        most: usize,
    ) -> Result<Vec<PostbackRow>, WarehouseError> {
        let mut waiting =
            self.postback_rows(|row| row["state"] == "waiting" && row["publisher"] == publisher);
        waiting.sort_by_key(|row| row.next_at.0);
        waiting.truncate(most);
        Ok(waiting)
    }

    async fn write(&self, rows: &[PostbackRow]) -> Result<(), WarehouseError> {
        let fate = self.0.lock().unwrap().outbox.pop_front();
        let batch = Batch {
            postbacks: rows.to_vec(),
            ..Batch::default()
        };
        self.suffer(fate.unwrap_or(Fate::Succeed), &batch).await
    }
}

/// A store on disk that can be killed and opened again.
pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) clock: Arc<Standing>,
    pub(crate) local: Local,
    pub(crate) tables: Tables,
    pub(crate) metrics: Metrics,
    max_records: usize,
    instance: AtomicU32,
    /// Who is told of conversions.
    pub(crate) told: Told,
    /// By which conversions are judged.
    pub(crate) rules: Rules,
}

impl World {
    pub(crate) fn new(at: Timestamp, max_records: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Standing::at(at);
        let local = open(&dir, &clock);
        let (tables, metrics) = (Tables::default(), Metrics::new());
        Self {
            dir,
            clock,
            local,
            tables,
            metrics,
            max_records,
            instance: AtomicU32::new(0),
            told: Told::new(),
            rules: Rules::default(),
        }
    }

    pub(crate) async fn event(&self, event: &EventRecord) {
        let key = key::event(event).unwrap();
        self.append(Topic::Events, key, event.encode_to_vec()).await;
    }

    pub(crate) async fn lead(&self, record: &LeadRecord) {
        let key = key::lead(record.lead_id().unwrap());
        self.append(Topic::Leads, key, record.encode_to_vec()).await;
    }

    /// Events, then records of leads.
    pub(crate) async fn write<'a>(
        &self,
        events: impl Iterator<Item = &'a EventRecord>,
        records: impl Iterator<Item = &'a LeadRecord>,
    ) {
        for event in events {
            self.event(event).await;
        }
        for record in records {
            self.lead(record).await;
        }
    }

    pub(crate) async fn append(&self, topic: Topic, key: u64, record: Vec<u8>) {
        self.local
            .log()
            .append(topic, key, Bytes::from(record), Ack::Durable)
            .await
            .unwrap();
    }

    fn worker<B: Backend>(&self, backend: B) -> Worker<B, Tables> {
        let options = Options {
            max_records: self.max_records,
            batch_every: Duration::from_millis(1),
            leads_after: Duration::ZERO,
            audit_every: Duration::ZERO,
            idle: Duration::from_millis(1),
            walk: self.max_records,
            overdue_every: Duration::ZERO,
            first_pause: Duration::from_micros(100),
            longest_pause: Duration::from_millis(1),
            policy: Arc::new(ArcSwap::from_pointee(Policy {
                told: self.told.clone(),
                rules: self.rules.clone(),
            })),
            ..Options::new(self.instance.fetch_add(1, Ordering::SeqCst).into())
        };
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let sink = self.tables.clone();
        Worker::new(backend, sink, clock, self.metrics.clone(), options)
    }

    /// Runs a worker until `done` holds or the tables say that the process dies.
    async fn run(&self, done: impl AsyncFn(&Progress) -> bool) {
        self.run_on(self.local.clone(), done).await;
    }

    /// Likewise, with its stores behind others.
    pub(crate) async fn run_on<B: Backend>(
        &self,
        backend: B,
        done: impl AsyncFn(&Progress) -> bool,
    ) {
        let worker = self.worker(backend);
        let progress = worker.progress();
        let waiting = async {
            while !done(&progress).await {
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
        };
        let died = self.tables.died();
        tokio::select! {
            () = spawnable(worker.run(CancellationToken::new())) => unreachable!("nobody asked it to stop"),
            () = died.cancelled() => {}
            waited = tokio::time::timeout(PATIENCE, waiting) => waited.expect("done in time"),
        }
    }

    /// Works until everything in the log is in the tables.
    pub(crate) async fn catch_up(&self) {
        self.run(async |progress| progress.lag(self.local.log()) == Some(0))
            .await;
    }

    /// Works until everything is in the tables, and judged by the rules there are.
    pub(crate) async fn until_judged(&self) {
        self.run(async |progress| {
            let mut left = progress.lag(self.local.log()) != Some(0);
            for partition in 0..4 {
                let rules = self.rules.version();
                let anew = self.local.journeys().anew(partition, rules, 1).await;
                left |= anew != Ok(None);
            }
            !left
        })
        .await;
    }

    /// Works until nobody waits to be told, either: somebody else tells them.
    pub(crate) async fn until_told(&self) {
        self.run(async |progress| {
            progress.lag(self.local.log()) == Some(0)
                && self
                    .tables
                    .of("postbacks")
                    .iter()
                    .all(|row| row["state"] != "waiting")
        })
        .await;
    }

    /// Works until all of it was audited, too.
    pub(crate) async fn audit(&self) {
        self.run(async |progress| progress.unaudited(self.local.log()) == Some(0))
            .await;
    }

    /// Works until something holds.
    pub(crate) async fn until(&self, holds: impl AsyncFn(&Self) -> bool) {
        self.run(async |_| holds(self).await).await;
    }

    /// The process is killed and started again.
    pub(crate) fn restart(self) -> Self {
        let Self {
            dir,
            clock,
            local,
            tables,
            metrics,
            max_records,
            instance,
            told,
            rules,
        } = self;
        drop(local);
        let local = open(&dir, &clock);
        Self {
            dir,
            clock,
            local,
            tables,
            metrics,
            max_records,
            instance,
            told,
            rules,
        }
    }
}

/// The binary runs it on a runtime of several threads.
fn spawnable<T: Send>(future: T) -> T {
    future
}

fn open(dir: &tempfile::TempDir, clock: &Arc<Standing>) -> Local {
    let options = LocalOptions {
        segment_bytes: 1 << 20,
        journeys: Limits {
            entries: 10_000,
            visitors: VISITORS_PER_PERSON,
            ties: 1_000,
        },
        ..LocalOptions::in_dir(dir.path())
    };
    Local::open(options, Arc::clone(clock) as Arc<dyn Clock>).unwrap()
}
