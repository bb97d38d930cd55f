//! The worker on a real store and the real engine, while the engine is killed under it: everything
//! that the log took is in the tables, once.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{Clock, LeadId, LeadStatus, LegState, Mono, Timestamp};
use proto::{
    Click, Conversion, EventBody, EventRecord, LeadBody, LeadRecord, LegReply, Message as _,
    Outcome, Posting, Received,
};
use serde::Deserialize;
use store::{Ack, Backend as _, EventLog as _, Topic, key};
use store_local::{Local, LocalOptions};
use telemetry::{Metrics, WORKER_AUDIT_DIFFERENCE, WORKER_AUDITED};
use tokio_util::sync::CancellationToken;
use warehouse::{Address, Batch, PostbackRow, Sought, Warehouse, WarehouseError};
use worker::{Options, Sink, Worker};

use crate::server::{PATIENCE, Server};

const T0: i64 = 1_800_000_000_000_000;
const KILLS: u8 = 3;
/// Clicks, of which some convert, and leads, between two kills.
const CLICKS: u8 = 60;
const LEADS: u8 = 15;

struct Ticking(Instant);

impl Clock for Ticking {
    fn wall(&self) -> Timestamp {
        Timestamp::from_micros(T0).plus(self.0.elapsed())
    }

    fn mono(&self) -> Mono {
        Mono::from_micros(0).plus(self.0.elapsed())
    }
}

/// The warehouse as it can be reached now: an engine that starts again has another port. And whether
/// it answers no questions.
#[derive(Clone)]
struct Reachable(Arc<Mutex<Warehouse>>, Arc<AtomicBool>);

impl Reachable {
    fn new(server: &Server) -> Self {
        Self(Arc::new(Mutex::new(connect(server))), Arc::default())
    }

    fn now(&self) -> Warehouse {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Reachable {
    async fn prepare(&self) -> Result<(), WarehouseError> {
        self.now().prepare().await
    }

    async fn insert(&self, batch: &Batch) -> Result<(), WarehouseError> {
        self.now().insert(batch).await
    }

    async fn postbacks(&self, conversions: &[&str]) -> Result<Vec<PostbackRow>, WarehouseError> {
        self.now().postbacks_of(conversions).await
    }

    async fn held(
        &self,
        sought: Sought,
        keys: &[&str],
        within: Option<RangeInclusive<Timestamp>>,
    ) -> Result<u64, WarehouseError> {
        if self.1.load(Ordering::SeqCst) {
            return Err(WarehouseError::Unreachable("mute".to_owned()));
        }
        self.now().held(sought, keys, within).await
    }

    async fn letters(
        &self,
        topic: Topic,
        partition: u16,
        offsets: Range<u64>,
    ) -> Result<BTreeSet<u64>, WarehouseError> {
        Sink::letters(&self.now(), topic, partition, offsets).await
    }
}

fn options() -> Options {
    Options {
        max_records: 40,
        batch_every: Duration::from_millis(20),
        audit_every: Duration::from_millis(20),
        longest_pause: Duration::from_millis(200),
        ..Options::new(1)
    }
}

fn connect(server: &Server) -> Warehouse {
    Warehouse::connect(Address::new(&format!("http://{}", server.address), "gavel")).unwrap()
}

fn id<const N: usize>(kind: u8, round: u8, n: u8) -> Vec<u8> {
    let mut id = vec![kind; N];
    id[14] = round;
    id[15] = n;
    if N > 16 {
        // Click and conversion on one shard.
        id[16] = 0;
        id[17] = n;
    }
    id
}

fn click(round: u8, n: u8) -> EventRecord {
    EventRecord {
        id: id::<16>(1, round, n),
        ts_us: T0,
        received_us: T0,
        visitor: id::<24>(2, round, n),
        click_id: id::<24>(3, round, n),
        body: Some(EventBody::Click(Click {
            publisher: "fb-media".into(),
            campaign: "auto-us".into(),
            ..Click::default()
        })),
        ..EventRecord::default()
    }
}

fn conversion(round: u8, n: u8) -> EventRecord {
    EventRecord {
        id: id::<16>(4, round, n),
        ts_us: T0 + 1,
        visitor: vec![],
        body: Some(EventBody::Conversion(Conversion {
            campaign: "auto-us".into(),
            goal: "bound".into(),
            txid: format!("{round}-{n}"),
            amount_micros: Some(1_000_000),
            currency: "USD".into(),
            status: "approved".into(),
            source: "postback".into(),
            ..Conversion::default()
        })),
        ..click(round, n)
    }
}

/// A lead that was clicked and sold.
fn lead(round: u8, n: u8) -> [LeadRecord; 3] {
    let bodies = [
        LeadBody::Received(Received {
            campaign: "auto-us".into(),
            publisher: "fb-media".into(),
            click_id: id::<24>(3, round, n),
            ..Received::default()
        }),
        LeadBody::Posting(Posting {
            leg: 1,
            contract: "ct".into(),
            buyer: "by".into(),
            price_micros: 10_000_000,
            payout_micros: 8_000_000,
            currency: "USD".into(),
            ..Posting::default()
        }),
        LeadBody::Outcome(Outcome {
            status: LeadStatus::Sold.number().into(),
            replies: vec![LegReply {
                leg: 1,
                state: LegState::Accepted.number().into(),
                reason: "won".into(),
                ..LegReply::default()
            }],
            ..Outcome::default()
        }),
    ];
    let mut count = 0;
    bodies.map(|body| {
        count += 1;
        LeadRecord {
            subject: id::<16>(5, round, n),
            n: count,
            at_us: T0 + 10,
            instance: 1,
            body: Some(body),
        }
    })
}

async fn append(local: &Local, topic: Topic, key: u64, record: Vec<u8>) {
    let append = local
        .log()
        .append(topic, key, Bytes::from(record), Ack::Durable);
    append.await.unwrap();
}

async fn feed(local: &Local, round: u8) {
    for n in 0..CLICKS {
        // Every other conversion comes before its click.
        let converted = (n % 3 == 0).then(|| conversion(round, n));
        let mut events = vec![click(round, n)];
        events.extend(converted);
        if n % 2 == 0 {
            events.reverse();
        }
        for event in events {
            let key = key::event(&event).unwrap();
            append(local, Topic::Events, key, event.encode_to_vec()).await;
        }
    }
    for n in 0..LEADS {
        for record in lead(round, n) {
            let key = key::lead(record.lead_id().unwrap());
            append(local, Topic::Leads, key, record.encode_to_vec()).await;
        }
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "waited too long until {what}");
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Id {
    id: String,
}

async fn ids(warehouse: &Warehouse, sql: &str) -> BTreeSet<String> {
    let rows: Vec<Id> = warehouse.rows(sql).await.unwrap();
    let (count, ids) = (rows.len(), rows.into_iter().map(|row| row.id));
    let ids: BTreeSet<_> = ids.collect();
    assert_eq!(ids.len(), count, "twice in {sql}");
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_once_although_the_engine_was_killed_again_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("clickhouse");
    let Some(mut server) = Server::start(&data) else {
        return;
    };
    let clock: Arc<dyn Clock> = Arc::new(Ticking(Instant::now()));
    let local = Local::open(
        LocalOptions::in_dir(dir.path().join("store")),
        Arc::clone(&clock),
    )
    .unwrap();
    let sink = Reachable::new(&server);
    let metrics = Metrics::new();
    let worker = Worker::new(
        local.clone(),
        sink.clone(),
        clock,
        metrics.clone(),
        options(),
    );
    let progress = worker.progress();
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));

    for round in 0..KILLS {
        feed(&local, round).await;
        let some = u64::from(round) * u64::from(CLICKS) + 20;
        let enough = format!("SELECT toUInt64(count() >= {some}) FROM v_events");
        until("some events are there", async || {
            matches!(sink.now().count(&enough).await, Ok(1))
        })
        .await;
        server.kill();
        server = Server::start(&data).unwrap();
        *sink.0.lock().unwrap() = connect(&server);
    }
    until("all is there", async || {
        progress.lag(local.log()) == Some(0)
    })
    .await;
    until("all was audited", async || {
        progress.unaudited(local.log()) == Some(0)
    })
    .await;
    for topic in ["events", "leads"] {
        let ranges = |result| metrics.counted(WORKER_AUDITED, [topic, result]);
        assert_ne!(ranges("complete"), 0, "{topic}");
        assert_eq!(ranges("different"), 0, "{topic}");
    }
    stop.cancel();
    working.await.unwrap();

    let warehouse = sink.now();
    let every = |most: u8, of: fn(u8, u8) -> String| -> BTreeSet<String> {
        let rounds = 0..KILLS;
        rounds
            .flat_map(|round| (0..most).map(move |n| of(round, n)))
            .collect()
    };
    let clicks = every(CLICKS, |round, n| {
        click(round, n).event_id().unwrap().to_string()
    });
    let clicked = "SELECT event_id AS id FROM v_events WHERE kind = 'click'";
    assert_eq!(ids(&warehouse, clicked).await, clicks);
    let leads = every(LEADS, |round, n| {
        let lead: [u8; 16] = id::<16>(5, round, n).try_into().unwrap();
        LeadId::from_bytes(lead).to_string()
    });
    let sold = "SELECT lead_id AS id FROM v_leads WHERE status = 'sold' AND revenue = 10";
    assert_eq!(ids(&warehouse, sold).await, leads);
    let earned = "SELECT lead_id AS id FROM v_conversions WHERE source = 'lead' AND amount = 10";
    assert_eq!(ids(&warehouse, earned).await, leads);
    let mut orders = every(CLICKS, |round, n| {
        if n % 3 == 0 {
            format!("{round}-{n}")
        } else {
            String::new()
        }
    });
    orders.remove("");
    // Each credited whole to its own click.
    let credited = "SELECT txid AS id FROM v_conversions AS c
        JOIN v_credits AS k ON k.conversion_id = c.conversion_id
        WHERE source = 'postback' AND k.model = 'last_click' AND k.touch = c.click_id AND k.share = 1000000000 AND k.value = 1";
    assert_eq!(ids(&warehouse, credited).await, orders);
    server.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_auditor_counts_the_rows_that_were_lost() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(&dir.path().join("clickhouse")) else {
        return;
    };
    let clock: Arc<dyn Clock> = Arc::new(Ticking(Instant::now()));
    let local = Local::open(
        LocalOptions::in_dir(dir.path().join("store")),
        Arc::clone(&clock),
    )
    .unwrap();
    let sink = Reachable::new(&server);
    let metrics = Metrics::new();
    let start = || {
        let (backend, clock) = (local.clone(), Arc::clone(&clock));
        let worker = Worker::new(backend, sink.clone(), clock, metrics.clone(), options());
        let (progress, stop) = (worker.progress(), CancellationToken::new());
        (
            progress,
            stop.clone(),
            tokio::spawn(async move { worker.run(stop).await }),
        )
    };

    // Inserted, and the auditor cannot ask.
    sink.1.store(true, Ordering::SeqCst);
    let (progress, stop, working) = start();
    feed(&local, 0).await;
    until("all is there", async || {
        progress.lag(local.log()) == Some(0)
    })
    .await;
    stop.cancel();
    working.await.unwrap();
    let warehouse = sink.now();
    let lost = "ALTER TABLE events DELETE WHERE kind = 'conversion' AND source = 'postback' SETTINGS mutations_sync = 1";
    warehouse.execute(lost).await.unwrap();
    warehouse.execute("TRUNCATE TABLE posts").await.unwrap();
    // Rows whose copies from another day replaced them are not lost.
    for moved in [
        "INSERT INTO leads SELECT * REPLACE (received_at + INTERVAL 40 DAY AS received_at) FROM leads",
        "ALTER TABLE leads DELETE WHERE received_at < '2027-02-01' SETTINGS mutations_sync = 1",
    ] {
        warehouse.execute(moved).await.unwrap();
    }

    sink.1.store(false, Ordering::SeqCst);
    let (progress, stop, working) = start();
    until("all was audited", async || {
        progress.unaudited(local.log()) == Some(0)
    })
    .await;
    let missing = |table| metrics.gauged(WORKER_AUDIT_DIFFERENCE, [table]);
    let converted = (0..CLICKS).filter(|n| n % 3 == 0).count();
    assert_eq!(missing("events"), i64::try_from(converted).unwrap());
    assert_eq!(missing("posts"), i64::from(LEADS));
    for table in [
        "leads",
        "auctions",
        "conversions",
        "credits",
        "dead_letters",
    ] {
        assert_eq!(missing(table), 0, "{table}");
    }
    stop.cancel();
    working.await.unwrap();
    server.terminate();
}
