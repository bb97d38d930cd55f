//! The journal in front: the broker is killed or stopped, the process is killed, the disk's share is used
//! up; what was acknowledged comes to Kafka, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock as _, LeadId};
use servers::{KAFKA, Kafka};
use store::{Ack, EventLog as _, LogError, Replay as _, Topic, Vault as _, WrappedKey};
use store_kafka::{FrontOptions, KafkaOptions, ShippedLog, Standing};
use telemetry::{KAFKA_AWAY, Metrics};
use testkit::{FakeClock, SeededEntropy};

use crate::broker;

const SOON: Duration = Duration::from_secs(60);
/// Keys, each of one producer that waits for every acknowledgement.
const KEYS: u64 = 4;

fn hasty(broker: &str, prefix: &str) -> KafkaOptions {
    KafkaOptions {
        patience: Duration::from_secs(10),
        leads_patience: Duration::from_millis(500),
        ..broker::options(broker, prefix)
    }
}

async fn open(options: &KafkaOptions, front: FrontOptions, metrics: &Metrics) -> ShippedLog {
    let log = broker::open(options).await;
    ShippedLog::open(log, front, metrics.clone()).await.unwrap()
}

/// Waits until the node stands so to Kafka.
async fn until(log: &ShippedLog, stands: impl Fn(Standing) -> bool) {
    let standing = async {
        while !stands(log.standing()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(SOON, standing).await;
    assert!(waited.is_ok(), "{:?}", log.standing());
}

fn is_drained(standing: Standing) -> bool {
    standing.away.is_none() && standing.leads_bytes == 0 && standing.events_bytes == 0
}

/// The texts of a topic, in the order of their partitions.
async fn texts(log: &ShippedLog, topic: Topic) -> Vec<String> {
    let mut replay = log.replay(topic).await.unwrap();
    let mut partitions: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    while let Some((partition, records)) = replay.next().await.unwrap() {
        let texts = records
            .iter()
            .map(|it| String::from_utf8(it.payload.to_vec()).unwrap());
        partitions.entry(partition).or_default().extend(texts);
    }
    partitions.into_values().flatten().collect()
}

/// Everything that was acknowledged is there, and the first of each stands behind those that its producer
/// appended before. Gives how many are there more than once.
fn check(acknowledged: &BTreeSet<String>, there: &[String]) -> usize {
    let mut seen = BTreeSet::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for text in there {
        if !seen.insert(text.clone()) {
            continue;
        }
        let (producer, number) = text.rsplit_once(' ').unwrap();
        let number: u64 = number.parse().unwrap();
        let before = last.insert(producer, number);
        assert!(
            before.is_none_or(|before| before < number),
            "{text} stands behind {before:?}"
        );
    }
    let missing: Vec<_> = acknowledged.difference(&seen).take(5).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
    there.len() - seen.len()
}

/// Appends for one key, each record once the one before is acknowledged.
async fn produce(
    log: ShippedLog,
    (topic, ack): (Topic, Ack),
    (producer, key): (String, u64),
    stop: Arc<AtomicBool>,
    tell: impl Fn(&str),
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let text = format!("{producer} {number}");
        let record = Bytes::from(text.clone());
        log.append(topic, key, record, ack).await.unwrap();
        tell(&text);
        acknowledged.push(text);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    acknowledged
}

const WAYS: [(Topic, Ack); 2] = [(Topic::Events, Ack::Kernel), (Topic::Leads, Ack::Durable)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_broker_is_away_leads_and_clicks_go_on_and_are_shipped_in_order() {
    let Some(jars) = KAFKA.find() else { return };
    let dir = broker::dir();
    let mut kafka = Kafka::start(&jars, &dir.path().join("kafka")).unwrap();
    let options = hasty(&kafka.addr().to_string(), "away.");
    let metrics = Metrics::new();
    let front = FrontOptions::in_dir(dir.path().join("front"));
    let log = open(&options, front, &metrics).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut producers = tokio::task::JoinSet::new();
    for way in WAYS {
        for key in 0..KEYS {
            let producer = (format!("{key}"), key);
            let (log, stop) = (log.clone(), Arc::clone(&stop));
            producers.spawn(async move {
                let acknowledged = produce(log, way, producer, stop, |_| {}).await;
                (way.0, acknowledged)
            });
        }
    }
    let durable = |text: &'static str| {
        log.append(
            Topic::Events,
            1,
            Bytes::from_static(text.as_bytes()),
            Ack::Durable,
        )
    };
    durable("postback 1").await.unwrap();
    // A producer's first record waits longest, maybe too long for a lead.
    until(&log, |standing| standing.away.is_none()).await;

    kafka = tokio::task::spawn_blocking(move || {
        kafka.kill().unwrap();
        kafka
    })
    .await
    .unwrap();
    until(&log, |standing| {
        standing.away.is_some() && standing.events_bytes > 20_000
    })
    .await;
    assert_eq!(metrics.gauged(KAFKA_AWAY, []), 1);
    let away = durable("postback 2").await;
    assert!(matches!(away, Err(LogError::Unavailable(_))), "{away:?}");

    let _kafka = tokio::task::spawn_blocking(move || {
        kafka.start_again().unwrap();
        kafka
    })
    .await
    .unwrap();
    // While it drains, and while all others append.
    until(&log, |standing| standing.away.is_none()).await;
    durable("postback 3").await.unwrap();
    stop.store(true, Ordering::Release);
    let mut acknowledged: BTreeMap<Topic, BTreeSet<String>> = BTreeMap::new();
    for (topic, texts) in producers.join_all().await {
        acknowledged.entry(topic).or_default().extend(texts);
    }
    until(&log, is_drained).await;
    assert_eq!(metrics.gauged(KAFKA_AWAY, []), 0);
    for (topic, acknowledged) in &acknowledged {
        let there = texts(&log, *topic).await;
        let twice = check(acknowledged, &there);
        println!(
            "{topic:?}: {} acknowledged, {twice} twice",
            acknowledged.len()
        );
        assert!(*topic == Topic::Leads || twice == 0);
        assert_eq!(log.ends(*topic).iter().sum::<u64>(), there.len() as u64);
    }
    log.close();
}

const BROKER: &str = "GAVEL_SHIPPED_BROKER";
const DIR: &str = "GAVEL_SHIPPED_DIR";
const LIFE: &str = "GAVEL_SHIPPED_LIFE";

/// One life of a process that appends until it is killed; not a test when it is not asked to be one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(broker) = std::env::var(BROKER) else {
        return;
    };
    let (dir, life) = (std::env::var_os(DIR).unwrap(), std::env::var(LIFE).unwrap());
    let options = hasty(&broker, "killed.");
    let log = open(&options, FrontOptions::in_dir(dir), &Metrics::new()).await;
    let mut producers = tokio::task::JoinSet::new();
    for way in WAYS {
        for key in 0..KEYS {
            let (log, producer) = (log.clone(), (format!("{life}/{key}"), key));
            producers.spawn(async move {
                let never = Arc::default();
                let tell = |text: &str| {
                    let line = format!("ack {} {text}\n", way.0.as_str());
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                };
                produce(log, way, producer, never, tell).await
            });
        }
    }
    producers.join_next().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let Some(jars) = KAFKA.find() else { return };
    let dir = broker::dir();
    let kafka = Kafka::start(&jars, &dir.path().join("kafka")).unwrap();
    let front = dir.path().join("front");
    let mut acknowledged: BTreeMap<Topic, BTreeSet<String>> = BTreeMap::new();
    // Lines of its output after which the broker is stopped, if it is, and after which it is killed.
    let lives = [
        (None, 40),
        (Some(100), 700),
        (None, 1500),
        (Some(10), 3000),
        (Some(500), 900),
    ];
    for (life, (stopped, killed)) in lives.into_iter().enumerate() {
        for (topic, text) in live(&kafka, &front, life, stopped, killed) {
            acknowledged.entry(topic).or_default().insert(text);
        }
    }
    let options = hasty(&kafka.addr().to_string(), "killed.");
    let log = open(&options, FrontOptions::in_dir(&front), &Metrics::new()).await;
    until(&log, is_drained).await;
    for (topic, acknowledged) in &acknowledged {
        let there = texts(&log, *topic).await;
        let twice = check(acknowledged, &there);
        println!(
            "{topic:?}: {} acknowledged, {twice} twice",
            acknowledged.len()
        );
    }
    log.close();
}

/// Runs a process until it has said enough; gives what it said was acknowledged.
fn live(
    kafka: &Kafka,
    front: &Path,
    life: usize,
    stopped: Option<usize>,
    killed: usize,
) -> Vec<(Topic, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "shipped::child", "--nocapture"])
        .env(BROKER, kafka.addr().to_string())
        .env(DIR, front)
        .env(LIFE, life.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).split(b'\n') {
        let line = String::from_utf8(line.unwrap()).unwrap();
        // The last line may have been cut short: it has no end then, and counts all the same if its number
        // is there, as the number of another one that was acknowledged before.
        let told_of = |topic: Topic| {
            let text = line.strip_prefix(&format!("ack {} ", topic.as_str()))?;
            let whole = text.rsplit_once(' ').is_some_and(|(_, it)| !it.is_empty());
            whole.then(|| (topic, text.to_owned()))
        };
        told.extend(WAYS.iter().find_map(|(topic, _)| told_of(*topic)));
        if stopped == Some(told.len()) {
            kafka.stop().unwrap();
        }
        if told.len() == killed {
            child.kill().unwrap();
        }
    }
    assert!(told.len() >= killed, "it ended by itself");
    child.wait().unwrap();
    kafka.go_on().unwrap();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_journal_refuses_what_is_new_and_says_so() {
    let Some(jars) = KAFKA.find() else { return };
    let dir = broker::dir();
    let kafka = Kafka::start(&jars, &dir.path().join("kafka")).unwrap();
    let options = hasty(&kafka.addr().to_string(), "full.");
    let front = FrontOptions {
        most_bytes: 64 << 10,
        ..FrontOptions::in_dir(dir.path().join("front"))
    };
    let log = open(&options, front, &Metrics::new()).await;
    let vault = broker::vault(&broker::open(&options).await, &dir).await;
    let shipped = log.vault(vault.clone());
    // A key that comes while the broker does not answer waits with the records of its lead.
    let lead = LeadId::mint(FakeClock::default().wall(), &SeededEntropy::new(1));
    let key = WrappedKey([7; WrappedKey::LEN]);
    kafka.stop().unwrap();
    shipped.put(lead, key.clone()).await.unwrap();
    assert!(log.standing().away.is_some());

    let click = || log.append(Topic::Events, 1, Bytes::from(vec![7; 1000]), Ack::Kernel);
    let mut taken: u64 = 0;
    let refused = loop {
        match click().await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, LogError::NoSpace);
    assert!(log.standing().full && (50..64).contains(&taken), "{taken}");

    kafka.go_on().unwrap();
    until(&log, is_drained).await;
    assert!(!log.standing().full);
    click().await.unwrap();
    until(&log, is_drained).await;
    assert_eq!(log.ends(Topic::Events).iter().sum::<u64>(), taken + 1);
    assert_eq!(vault.get(lead).await.unwrap(), Some(key));
    log.close();
    vault.close();
}
