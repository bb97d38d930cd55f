//! Kafka's own compaction of the vault and the catalog, on a broker that does in seconds what takes a day elsewhere.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{Clock as _, LeadId};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use servers::{KAFKA, Kafka};
use store::{Ack, EventLog as _, Replay as _, Topic, Vault as _, WrappedKey};
use store_kafka::KafkaLog;
use testkit::{FakeClock, SeededEntropy};

use crate::broker;

const SOON: Duration = Duration::from_secs(60);
/// How long a segment is written to, and after how long at most it is compacted: both are a day elsewhere.
const DAY: Duration = Duration::from_millis(300);
const ROUNDS: u8 = 6;
/// Leads of a round; every other one is erased in the next.
const LEADS: u8 = 12;

/// Makes a topic's days short, and nothing else different.
async fn hurry(broker: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .create()
        .unwrap();
    let day = DAY.as_millis().to_string();
    let config = AlterConfig::new(ResourceSpecifier::Topic(topic))
        .set("cleanup.policy", "compact")
        .set("max.message.bytes", "100000000")
        .set("max.compaction.lag.ms", &day)
        .set("segment.ms", &day)
        .set("delete.retention.ms", &day)
        .set("file.delete.delay.ms", "0");
    let altered = admin.alter_configs([&config], &AdminOptions::new()).await;
    assert_eq!(altered.unwrap().len(), 1);
}

/// All that the broker has of a topic, as it is on its disk.
fn on_disk(data: &Path, topic: &str) -> Vec<u8> {
    let folders = fs::read_dir(data).unwrap().map(|it| it.unwrap().path());
    let of_topic = folders.filter(|it| {
        let name = it.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(&format!("{topic}-"))
    });
    let files = of_topic.flat_map(|it| fs::read_dir(it).unwrap());
    // Beside the records are indices, large and empty. One of them may go between two calls: that is what is
    // waited for.
    let records = files.map(|it| it.unwrap().path());
    let records = records.filter(|it| {
        it.extension()
            .is_some_and(|it| it != "index" && it != "timeindex")
    });
    records
        .flat_map(|it| fs::read(it).unwrap_or_default())
        .collect()
}

fn is_in(bytes: &[u8], key: &WrappedKey) -> bool {
    bytes.windows(WrappedKey::LEN).any(|it| it == key.0)
}

/// Up to where the broker has compacted a partition.
fn compacted(data: &Path, topic: &str, partition: u16) -> u64 {
    let noted = fs::read_to_string(data.join("cleaner-offset-checkpoint")).unwrap_or_default();
    let place = format!("{topic} {partition} ");
    let offset = noted.lines().find_map(|line| line.strip_prefix(&place));
    offset.map_or(0, |offset| offset.parse().unwrap())
}

async fn catalog(log: &KafkaLog) -> Vec<(u64, Bytes)> {
    let mut replay = log.replay(Topic::Catalog).await.unwrap();
    let mut all = Vec::new();
    while let Some((_, records)) = replay.next().await.unwrap() {
        all.extend(records.into_iter().map(|it| (it.offset, it.payload)));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_takes_what_was_erased_and_nothing_else() {
    let Some(jars) = KAFKA.find() else { return };
    let dir = broker::dir();
    let hasty = "log.cleaner.backoff.ms=100\nlog.cleaner.min.cleanable.ratio=0.01\nbroker.session.timeout.ms=30000";
    let kafka = Kafka::start_with(&jars, dir.path(), hasty).unwrap();
    let data = dir.path().join("data");
    let options = broker::options(&kafka.addr().to_string(), "compacted.");
    let log = broker::open(&options).await;
    let (vault_topic, catalog_topic) = ("compacted.vault", "compacted.catalog");
    for topic in [vault_topic, catalog_topic] {
        hurry(&options.brokers, topic).await;
    }
    let entropy = SeededEntropy::new(1);
    let now = FakeClock::default().wall();
    let mint = || LeadId::mint(now, &entropy);
    let home = tempfile::tempdir().unwrap();
    let vault = broker::vault(&log, &home).await;

    // Generations, keys and erasures in segment after segment.
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for n in 0..LEADS {
            let key = WrappedKey(std::array::from_fn(|at| match at {
                0 => round,
                1 => n,
                at => at as u8,
            }));
            let lead = mint();
            vault.put(lead, key.clone()).await.unwrap();
            match n % 2 {
                0 => kept.push((lead, key)),
                _ => gone.push((lead, key)),
            }
        }
        for (lead, _) in gone.iter().skip(usize::from(round * LEADS / 2)) {
            vault.erase(*lead).await.unwrap();
        }
        let generation = Bytes::from(vec![round; 1000]);
        log.append(Topic::Catalog, 0, generation, Ack::Durable)
            .await
            .unwrap();
        tokio::time::sleep(DAY).await;
    }
    let erased = Instant::now();
    let before = catalog(&log).await;
    assert_eq!(before.len(), usize::from(ROUNDS));

    // A segment ends with the next record that comes when its day is over: while leads come, that is soon.
    let has = |some: &[(LeadId, WrappedKey)]| {
        let bytes = on_disk(&data, vault_topic);
        some.iter().filter(|(_, key)| is_in(&bytes, key)).count()
    };
    let all_kept = async || {
        let looked = Instant::now();
        // A file that the broker exchanges is missed by a look; a key that is lost by every one.
        while has(&kept) < kept.len() {
            assert!(looked.elapsed() < SOON, "the broker has lost a key");
            tokio::time::sleep(DAY / 3).await;
        }
    };
    all_kept().await;
    while has(&gone) > 0 || compacted(&data, catalog_topic, 0) < u64::from(ROUNDS) - 1 {
        assert!(erased.elapsed() < SOON, "it is on the broker's disk still");
        for _ in 0..4 {
            vault
                .put(mint(), WrappedKey([255; WrappedKey::LEN]))
                .await
                .unwrap();
        }
        let more = Bytes::from(erased.elapsed().as_nanos().to_string());
        log.append(Topic::Catalog, 0, more, Ack::Durable)
            .await
            .unwrap();
        tokio::time::sleep(DAY / 3).await;
    }
    println!("gone from the broker's disk after {:?}", erased.elapsed());

    // Whoever reads from the beginning knows what was known before, and so does who was there.
    let fresh = tempfile::tempdir().unwrap();
    let reads = broker::vault(&log, &fresh).await;
    for vault in [&vault, &reads] {
        for (lead, key) in &kept {
            assert_eq!(vault.get(*lead).await.unwrap().as_ref(), Some(key));
        }
        for (lead, _) in &gone {
            assert_eq!(vault.get(*lead).await.unwrap(), None);
        }
    }
    all_kept().await;
    let after = catalog(&log).await;
    assert_eq!(after[..before.len()], before);
    tokio::task::spawn_blocking(move || {
        vault.close();
        reads.close();
        log.close();
    })
    .await
    .unwrap();
}
