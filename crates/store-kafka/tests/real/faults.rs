//! What the log on Kafka adds to its promises: a broker that is killed or stopped, consumers that come and
//! go in mid-batch, a full queue, topics that are not as they should be. Each test has a broker of its own
//! where it hurts it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use servers::{KAFKA, Kafka};
use store::{Ack, Consumer as _, Delivery, EventLog as _, LogError, Position, Replay as _, Topic};
use store_kafka::{KafkaConsumer, KafkaLog, KafkaOptions, OpenError};

use crate::broker;
use crate::group::{Member, shared};

const SOON: Duration = Duration::from_secs(30);

/// The records of a topic by their places.
async fn all(log: &KafkaLog, topic: Topic) -> BTreeMap<(u16, u64), String> {
    let mut replay = log.replay(topic).await.unwrap();
    let mut seen = BTreeMap::new();
    while let Some((partition, records)) = replay.next().await.unwrap() {
        for record in records {
            let text = String::from_utf8(record.payload.to_vec()).unwrap();
            seen.insert((partition, record.offset), text);
        }
    }
    seen
}

/// Until it takes what it is given, however often it refuses before.
async fn taken(log: &KafkaLog, text: &str) -> (u16, u64) {
    loop {
        match append(log, 1, text).await {
            Ok(position) => return position,
            Err(LogError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(other) => panic!("{other}"),
        }
    }
}

async fn append(log: &KafkaLog, key: u64, text: &str) -> Result<(u16, u64), LogError> {
    let record = Bytes::copy_from_slice(text.as_bytes());
    let position = log.append(Topic::Leads, key, record, Ack::Durable).await?;
    Ok((position.partition, position.offset))
}

type Appended = Pin<Box<dyn Future<Output = Result<Position, LogError>> + Send>>;

/// Appends a record every millisecond, whatever becomes of those before.
async fn load(log: KafkaLog, round: u32, stop: Arc<AtomicBool>) -> Vec<(String, Appended)> {
    let mut appends: Vec<(String, Appended)> = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    for n in 0.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let text = format!("{round} {n}");
        let appended = log.append(Topic::Leads, n % 8, text.clone().into(), Ack::Durable);
        appends.push((text, Box::pin(appended)));
        pace.tick().await;
    }
    appends
}

async fn blocking<T: Send + 'static>(step: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(step).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_loses_nothing_that_was_acknowledged() {
    let Some(jars) = KAFKA.find() else { return };
    let dir = broker::dir();
    let mut kafka = Kafka::start(&jars, dir.path()).unwrap();
    let options = KafkaOptions {
        leads_patience: Duration::from_secs(2),
        ..broker::options(&kafka.addr().to_string(), "killed.")
    };
    let log = broker::open(&options).await;
    let mut acknowledged = BTreeMap::new();
    let mut refused = 0;
    for round in 0..2 {
        let stop = Arc::new(AtomicBool::new(false));
        let load = tokio::spawn(load(log.clone(), round, Arc::clone(&stop)));
        // However slow the machine is, so many are acknowledged. One that was refused may be there all the same, and
        // is not tried again.
        let wanted = acknowledged.len() + 60;
        for number in 0.. {
            let text = format!("up {round} {number}");
            if let Ok(place) = append(&log, 1, &text).await {
                acknowledged.insert(place, text);
            }
            if acknowledged.len() == wanted {
                break;
            }
        }
        kafka = blocking(move || {
            kafka.kill().unwrap();
            kafka
        })
        .await;
        // It is away: an append ends, within its patience.
        let away = append(&log, 1, "away").await;
        assert!(matches!(away, Err(LogError::Unavailable(_))), "{away:?}");
        kafka = blocking(move || {
            kafka.start_again().unwrap();
            kafka
        })
        .await;
        let text = format!("back {round}");
        acknowledged.insert(taken(&log, &text).await, text);
        stop.store(true, Ordering::Release);
        for (text, appended) in load.await.unwrap() {
            match appended.await {
                Ok(position) => {
                    acknowledged.insert((position.partition, position.offset), text);
                }
                Err(LogError::Unavailable(_)) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
    }
    println!("{} acknowledged, {refused} refused", acknowledged.len());
    assert!(acknowledged.len() > 100 && refused > 100);
    let there = all(&log, Topic::Leads).await;
    for (place, text) in &acknowledged {
        assert_eq!(there.get(place), Some(text), "at {place:?}");
    }
    // Refused ones may be there all the same, but no acknowledged one twice.
    let mut texts: Vec<_> = there.values().filter(|text| *text != "away").collect();
    texts.sort();
    let count = texts.len();
    texts.dedup();
    assert_eq!(texts.len(), count);
    log.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_broker_is_waited_for_no_longer_than_patience() {
    let Some(jars) = KAFKA.find() else { return };
    let dir = broker::dir();
    let kafka = Kafka::start(&jars, dir.path()).unwrap();
    let options = KafkaOptions {
        // Longer than it takes to fill the queue, on any machine.
        leads_patience: Duration::from_secs(10),
        queue_records: 50,
        ..broker::options(&kafka.addr().to_string(), "stopped.")
    };
    let log = broker::open(&options).await;
    taken(&log, "before").await;
    kafka.stop().unwrap();
    let waiting: Vec<_> = (0..60)
        .map(|n| log.append(Topic::Leads, n, Bytes::from_static(b"x"), Ack::Durable))
        .collect();
    // The queue in front is bounded, and says so at once.
    assert_eq!(append(&log, 1, "x").await, Err(LogError::Full));
    let mut full = 0;
    for appended in waiting {
        match tokio::time::timeout(SOON, appended).await.unwrap() {
            Err(LogError::Unavailable(_)) => {}
            Err(LogError::Full) => full += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!((10..15).contains(&full), "{full}");
    kafka.go_on().unwrap();
    taken(&log, "after").await;
    log.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_nobody_waits_in_vain_and_the_log_closes() {
    let Some(jars) = KAFKA.find() else { return };
    let dir = broker::dir();
    let mut kafka = Kafka::start(&jars, dir.path()).unwrap();
    let options = KafkaOptions {
        leads_patience: SOON * 10,
        ..broker::options(&kafka.addr().to_string(), "gone.")
    };
    let log = broker::open(&options).await;
    append(&log, 1, "before").await.unwrap();
    let mut consumer = log.subscribe("gone", &[Topic::Leads]).await.unwrap();
    while !matches!(
        consumer
            .next(SOON)
            .await
            .unwrap()
            .expect("a record is missing"),
        Delivery::Records { .. }
    ) {}
    kafka = blocking(move || {
        kafka.kill().unwrap();
        kafka
    })
    .await;
    // Those that waited when it went wait on; the first that is sent after it is known does not.
    let refused = async {
        let mut waiting = Vec::new();
        loop {
            let appended = append(&log, 1, "x");
            match tokio::time::timeout(Duration::from_millis(100), appended).await {
                Ok(refused) => return (refused, waiting),
                Err(waits) => waiting.push(waits),
            }
        }
    };
    let (refused, _) = tokio::time::timeout(SOON, refused).await.unwrap();
    assert!(
        matches!(refused, Err(LogError::Unavailable(_))),
        "{refused:?}"
    );
    kafka = blocking(move || {
        kafka.start_again().unwrap();
        kafka
    })
    .await;
    taken(&log, "after").await;
    kafka.stop().unwrap();
    let closing = blocking(move || log.close());
    tokio::time::timeout(SOON * 2, closing).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_in_mid_batch_leaves_what_it_did_not_commit() {
    let Some(options) = broker::topics() else {
        return;
    };
    let log = broker::open(&options).await;
    let join = async || Member::join(log.clone(), "shared").await;
    let mut members = [join().await, join().await];
    shared(&mut members).await;
    for n in 0..40 {
        append(&log, n % 4, &format!("{n:02}")).await.unwrap();
    }
    let [mut stays, mut leaves] = members;
    // The one that leaves has read all of its own and committed half.
    let of_other = leaves.has.clone();
    let (mut half, mut seen) = (0, 0);
    while seen < 10 * of_other.len() {
        let delivery = leaves.next(SOON).await.unwrap();
        if let Delivery::Records {
            partition, records, ..
        } = delivery.expect("records are missing")
        {
            seen += records.len();
            let last = records.last().unwrap().offset;
            if last >= 4 {
                let next = [(Topic::Leads, partition, 5)];
                leaves.consumer.commit(&next).await.unwrap();
                half += 1;
            }
        }
    }
    assert!(half >= of_other.len());
    // What it says of partitions that are not its own is not heard.
    let next = [(Topic::Leads, *stays.has.first().unwrap(), 9)];
    leaves.consumer.commit(&next).await.unwrap();
    drop(leaves);
    let mut read: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    let expected = |partition: &u16| if of_other.contains(partition) { 5 } else { 0 };
    while read.values().map(Vec::len).sum::<usize>()
        < 10 * (4 - of_other.len()) + 5 * of_other.len()
    {
        let delivery = stays.next(SOON).await.unwrap();
        match delivery.expect("records are missing") {
            Delivery::Records {
                partition, records, ..
            } => {
                let offsets = records.iter().map(|record| record.offset);
                read.entry(partition).or_default().extend(offsets);
            }
            Delivery::Assigned {
                partition,
                next_offset,
                ..
            } => assert_eq!(next_offset, expected(&partition)),
            Delivery::Revoked { partition, .. } => panic!("{partition} was taken from it"),
        }
    }
    for (partition, offsets) in read {
        let all: Vec<u64> = (expected(&partition)..10).collect();
        assert_eq!(offsets, all, "partition {partition}");
    }
    // The group is where its members said of their own partitions, and nowhere else.
    drop(stays);
    let (mut next, mut starts) = (join().await, 0);
    while starts < 4 {
        let delivery = next.next(SOON).await.unwrap();
        if let Delivery::Assigned {
            partition,
            next_offset,
            ..
        } = delivery.expect("a partition is missing")
        {
            assert_eq!(next_offset, expected(&partition));
            starts += 1;
        }
    }
    log.close();
}

/// A consumer of group `slow`, and 100 records in each of four partitions: far more than its inbox takes.
async fn much_for_a_slow_one() -> Option<(KafkaLog, KafkaConsumer)> {
    let options = KafkaOptions {
        prefetch_bytes: 100_000,
        ..broker::topics()?
    };
    let log = broker::open(&options).await;
    let consumer = log.subscribe("slow", &[Topic::Events]).await.unwrap();
    let record = Bytes::from(vec![7; 20_000]);
    let appends: Vec<_> = (0..400)
        .map(|n| log.append(Topic::Events, n % 4, record.clone(), Ack::Durable))
        .collect();
    for appended in appends {
        appended.await.unwrap();
    }
    Some((log, consumer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_is_paused_and_misses_nothing() {
    let Some((log, mut consumer)) = much_for_a_slow_one().await else {
        return;
    };
    let mut next: BTreeMap<u16, u64> = BTreeMap::new();
    while next.values().sum::<u64>() < 400 {
        let delivery = consumer.next(SOON).await.unwrap();
        if let Delivery::Records {
            partition, records, ..
        } = delivery.expect("records are missing")
        {
            for record in records {
                let expected = next.entry(partition).or_default();
                assert_eq!(record.offset, *expected);
                *expected += 1;
            }
            // Longer than the thread holds a full inbox before it pauses.
            if next.values().sum::<u64>() < 100 {
                std::thread::sleep(Duration::from_millis(700));
            }
        }
    }
    log.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_paused_when_it_was_lost_is_read_when_it_comes_back() {
    let Some((log, mut slow)) = much_for_a_slow_one().await else {
        return;
    };
    let mut read = Reading::default();
    while read.records == 0 {
        read.take(&mut slow).await;
    }
    // Nobody takes what it has: it is paused, and then half of its partitions go.
    let mut guest = log.subscribe("slow", &[Topic::Events]).await.unwrap();
    let mut of_guest = Reading::default();
    while of_guest.records == 0 {
        of_guest.take(&mut guest).await;
    }
    drop(guest);
    while read.next.len() < 4 || read.next.values().any(|next| *next < 100) {
        read.take(&mut slow).await;
    }
    assert!(read.lost > 0);
    log.close();
}

/// What a consumer was handed: each partition goes on where it began.
#[derive(Default)]
struct Reading {
    next: BTreeMap<u16, u64>,
    records: usize,
    lost: usize,
}

impl Reading {
    async fn take(&mut self, consumer: &mut KafkaConsumer) {
        let delivery = consumer.next(SOON).await.unwrap();
        match delivery.unwrap() {
            Delivery::Assigned {
                partition,
                next_offset,
                ..
            } => {
                self.next.insert(partition, next_offset);
            }
            Delivery::Revoked { partition, .. } => {
                self.next.remove(&partition);
                self.lost += 1;
            }
            Delivery::Records {
                partition, records, ..
            } => {
                self.records += records.len();
                let next = self.next.get_mut(&partition).unwrap();
                for record in records {
                    assert_eq!(record.offset, *next);
                    *next += 1;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_wrong_with_the_topics_is_said_at_once() {
    let Some(options) = broker::topics() else {
        return;
    };
    broker::open(&options).await.close();
    let asked = KafkaOptions {
        partitions: 6,
        retention: options.retention * 2,
        ..options.clone()
    };
    let opened = KafkaLog::open(asked, broker::clock(), telemetry::Metrics::new()).await;
    let Err(OpenError::Problems(problems)) = opened else {
        panic!("it opened");
    };
    let prefix = &options.prefix;
    assert_eq!(
        problems.0,
        [
            format!("topic {prefix}events: it has 4 partitions, not 6"),
            format!(
                "topic {prefix}events: retention.ms is 604800000, less than the 1209600000 asked for"
            ),
            format!("topic {prefix}leads: it has 4 partitions, not 6"),
            format!(
                "topic {prefix}leads: retention.ms is 604800000, less than the 1209600000 asked for"
            ),
            format!("topic {prefix}vault: it has 4 partitions, not 6"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_after_retention_begins_at_what_is_left() {
    let Some(options) = broker::topics() else {
        return;
    };
    let log = broker::open(&options).await;
    for n in 0..10 {
        append(&log, 1, &format!("{n}")).await.unwrap();
    }
    let begin = async || log.subscribe("cut", &[Topic::Leads]).await.unwrap();
    let start = async |consumer: &mut KafkaConsumer| loop {
        let next = consumer.next(SOON).await.unwrap();
        if let Delivery::Assigned {
            partition: 1,
            next_offset,
            ..
        } = next.expect("a partition is missing")
        {
            return next_offset;
        }
    };
    let mut before = begin().await;
    assert_eq!(start(&mut before).await, 0);
    before.commit(&[(Topic::Leads, 1, 3)]).await.unwrap();
    drop(before);
    let mut cut = TopicPartitionList::new();
    let name = format!("{}leads", options.prefix);
    cut.add_partition_offset(&name, 1, Offset::Offset(6))
        .unwrap();
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &options.brokers)
        .create()
        .unwrap();
    admin
        .delete_records(&cut, &AdminOptions::new())
        .await
        .unwrap();
    let mut after = begin().await;
    assert_eq!(start(&mut after).await, 6);
    let left = all(&log, Topic::Leads).await;
    let offsets: Vec<u64> = left.keys().map(|(_, offset)| *offset).collect();
    assert_eq!(offsets, [6, 7, 8, 9]);
    log.close();
}
