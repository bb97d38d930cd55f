//! The log.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use store::{Ack, Backend, Consumer, Delivery, EventLog, Replay, Together as _, Topic};

use super::{Harness, SOON};

type Seen = BTreeMap<(Topic, u16), Vec<(u64, Bytes)>>;
type ConsumerOf<H> = <<<H as Harness>::Backend as Backend>::Log as EventLog>::Consumer;

/// Reads until `count` records have come.
async fn read<C: Consumer>(consumer: &mut C, count: usize) -> Seen {
    let mut seen = Seen::new();
    let mut left = count;
    let mut assigned = BTreeMap::new();
    while left > 0 {
        let delivery = consumer.next(SOON).await.unwrap();
        match delivery.unwrap_or_else(|| panic!("{left} of {count} records are missing")) {
            Delivery::Assigned {
                topic,
                partition,
                next_offset,
            } => {
                assigned.insert((topic, partition), next_offset);
            }
            Delivery::Revoked { .. } => {}
            Delivery::Records {
                topic,
                partition,
                records,
            } => {
                let place = seen.entry((topic, partition)).or_default();
                for record in records {
                    if let Some(first) = assigned.remove(&(topic, partition)) {
                        assert_eq!(
                            record.offset, first,
                            "{topic:?}/{partition} starts elsewhere"
                        );
                    }
                    if let Some((last, _)) = place.last() {
                        assert_eq!(record.offset, last + 1, "{topic:?}/{partition} has a gap");
                    }
                    place.push((record.offset, record.payload));
                    left -= 1;
                }
            }
        }
    }
    assert_eq!(left, 0, "more records came than were appended");
    seen
}

async fn append<H: Harness>(harness: &H, key: u64, text: String, ack: Ack) {
    let log = harness.store().log();
    let appended = log.append(Topic::Leads, key, text.into(), ack).await;
    let position = appended.unwrap();
    let ends = log.ends(Topic::Leads);
    assert!(ends[usize::from(position.partition)] > position.offset);
}

async fn consumer<H: Harness>(harness: &H, group: &'static str) -> ConsumerOf<H> {
    let log = harness.store().log();
    log.subscribe(group, &[Topic::Leads]).await.unwrap()
}

fn texts(seen: &Seen) -> Vec<String> {
    let mut texts: Vec<_> = seen
        .values()
        .flatten()
        .map(|(_, payload)| String::from_utf8(payload.to_vec()).unwrap())
        .collect();
    texts.sort();
    texts
}

/// Of records that are waited for at once each has its place, and what nobody waits for is appended too.
pub async fn what_is_queued_together_is_told_in_its_order<H: Harness>(harness: &mut H) {
    const COUNT: usize = 60;
    let store = harness.store().clone();
    let mut expected = BTreeMap::new();
    for (topic, ack) in [(Topic::Leads, Ack::Kernel), (Topic::Events, Ack::Durable)] {
        let mut together = store.log().together(topic, ack);
        let texts = (0..COUNT).map(|n| format!("{ack:?} {n:02}"));
        for (key, text) in (0..3).cycle().zip(texts.clone()) {
            together.add(key, text.into());
        }
        let fates = together.fates(pending()).await;
        let ends = store.log().ends(topic);
        assert_eq!(fates.len(), COUNT);
        for (text, fate) in texts.zip(fates) {
            let place = fate.unwrap().unwrap();
            assert!(ends[usize::from(place.partition)] > place.offset);
            expected.insert((topic, place.partition, place.offset), Bytes::from(text));
        }
    }
    let mut unheard = store.log().together(Topic::Leads, Ack::Durable);
    unheard.add(1, Bytes::from_static(b"unheard"));
    drop(unheard);

    let topics = [Topic::Leads, Topic::Events];
    let mut consumer = store.log().subscribe("together", &topics).await.unwrap();
    let seen = read(&mut consumer, 2 * COUNT + 1).await;
    let seen = seen.into_iter().flat_map(|((topic, partition), records)| {
        let of = move |(offset, payload)| ((topic, partition, offset), payload);
        records.into_iter().map(of)
    });
    let (unheard, seen): (BTreeMap<_, _>, BTreeMap<_, _>) =
        seen.partition(|(_, payload)| payload == "unheard");
    assert_eq!(unheard.len(), 1);
    assert_eq!(seen, expected);
}

/// One producer's records of one key come out as they went in, also when nobody awaits in between.
pub async fn order_holds_per_key_and_producer<H: Harness>(harness: &mut H) {
    const PRODUCERS: u64 = 4;
    const EACH: u64 = 100;
    let mut producers = tokio::task::JoinSet::new();
    for producer in 0..PRODUCERS {
        let store = harness.store().clone();
        producers.spawn(async move {
            let mut pending = Vec::new();
            for n in 0..EACH {
                let text = format!("{producer} {n}");
                let ack = if n % 7 == 0 {
                    Ack::Durable
                } else {
                    Ack::Kernel
                };
                pending.push(store.log().append(Topic::Leads, producer, text.into(), ack));
            }
            let mut last = None;
            for appended in pending {
                let position = appended.await.unwrap();
                assert!(last < Some(position.offset));
                last = Some(position.offset);
            }
        });
    }
    producers.join_all().await;
    let mut consumer = consumer(harness, "order").await;
    let seen = read(&mut consumer, (PRODUCERS * EACH) as usize).await;
    for producer in 0..PRODUCERS {
        let of_producer = |text: &&str| text.starts_with(&format!("{producer} "));
        let mut partitions = seen.values().filter(|records| {
            let mut texts = records
                .iter()
                .filter_map(|(_, p)| std::str::from_utf8(p).ok());
            texts.any(|text| of_producer(&text))
        });
        let records = partitions.next().unwrap();
        assert!(partitions.next().is_none(), "a key has one partition");
        let texts = records
            .iter()
            .filter_map(|(_, p)| std::str::from_utf8(p).ok());
        let got: Vec<_> = texts.filter(of_producer).map(str::to_owned).collect();
        let sent: Vec<_> = (0..EACH).map(|n| format!("{producer} {n}")).collect();
        assert_eq!(got, sent);
    }
}

/// An acknowledged record is there after a restart, at its offset.
pub async fn what_was_acknowledged_survives<H: Harness>(harness: &mut H) {
    for n in 0..20 {
        let ack = if n % 2 == 0 {
            Ack::Durable
        } else {
            Ack::Kernel
        };
        append(harness, n, format!("{n:02}"), ack).await;
    }
    let before = harness.store().log().ends(Topic::Leads);
    if !harness.reopen().await {
        return;
    }
    assert_eq!(harness.store().log().ends(Topic::Leads), before);
    let mut consumer = consumer(harness, "after").await;
    let seen = read(&mut consumer, 20).await;
    let all: Vec<_> = (0..20).map(|n| format!("{n:02}")).collect();
    assert_eq!(texts(&seen), all);
}

/// A group that committed nothing sees everything again.
pub async fn what_was_not_committed_is_delivered_again<H: Harness>(harness: &mut H) {
    for n in 0..10 {
        append(harness, n, format!("{n}"), Ack::Durable).await;
    }
    let mut first = consumer(harness, "again").await;
    let seen = read(&mut first, 10).await;
    drop(first);
    let mut second = consumer(harness, "again").await;
    assert_eq!(read(&mut second, 10).await, seen);
    drop(second);
    if harness.reopen().await {
        let mut third = consumer(harness, "again").await;
        assert_eq!(read(&mut third, 10).await, seen);
    }
}

/// A committed offset is the next one delivered, after a restart too.
pub async fn a_commit_is_where_the_group_goes_on<H: Harness>(harness: &mut H) {
    for n in 0..8 {
        append(harness, 1, format!("{n}"), Ack::Durable).await;
    }
    let mut first = consumer(harness, "goes-on").await;
    let seen = read(&mut first, 8).await;
    let (topic, partition) = *seen.keys().next().unwrap();
    first.commit(&[(topic, partition, 3)]).await.unwrap();
    first.commit(&[(topic, partition, 5)]).await.unwrap();
    drop(first);
    for round in 0..2 {
        let mut again = consumer(harness, "goes-on").await;
        assert_eq!(
            texts(&read(&mut again, 3).await),
            ["5", "6", "7"],
            "round {round}"
        );
        drop(again);
        if !harness.reopen().await {
            return;
        }
    }
}

/// A second member while there is a first. A log of one process refuses it: nobody shares its partitions, and who
/// follows has to come again.
async fn follow<H: Harness>(
    harness: &H,
    group: &'static str,
    first: ConsumerOf<H>,
) -> ConsumerOf<H> {
    let second = harness
        .store()
        .log()
        .subscribe(group, &[Topic::Leads])
        .await;
    drop(first);
    match second {
        Ok(second) => second,
        Err(_) => consumer(harness, group).await,
    }
}

/// A member that another joins, and that is gone in the midst of a batch, leaves what it did not commit: all of
/// that, nothing before it, and what comes later.
pub async fn who_goes_in_mid_batch_is_followed_from_what_it_committed<H: Harness>(harness: &mut H) {
    for n in 0..8 {
        append(harness, 1, format!("{n}"), Ack::Durable).await;
    }
    let mut first = consumer(harness, "followed").await;
    let seen = read(&mut first, 8).await;
    let (topic, partition) = *seen.keys().next().unwrap();
    first.commit(&[(topic, partition, 3)]).await.unwrap();
    let mut second = follow(harness, "followed", first).await;
    let left = read(&mut second, 5).await;
    assert_eq!(texts(&left), ["3", "4", "5", "6", "7"]);
    append(harness, 1, "8".to_owned(), Ack::Durable).await;
    assert_eq!(texts(&read(&mut second, 1).await), ["8"]);
    second.commit(&[(topic, partition, 8)]).await.unwrap();
    let mut third = follow(harness, "followed", second).await;
    assert_eq!(texts(&read(&mut third, 1).await), ["8"]);
}

/// What one group commits is nothing to another.
pub async fn groups_do_not_see_each_other<H: Harness>(harness: &mut H) {
    append(harness, 1, "x".to_owned(), Ack::Durable).await;
    let mut one = consumer(harness, "one").await;
    let seen = read(&mut one, 1).await;
    let (topic, partition) = *seen.keys().next().unwrap();
    one.commit(&[(topic, partition, 1)]).await.unwrap();
    let mut other = consumer(harness, "other").await;
    assert_eq!(read(&mut other, 1).await, seen);
}

/// Everything, whatever groups have committed, for as many as ask, and then the end; and whoever asks
/// again is given what came since.
pub async fn a_replay_is_all_there_is<H: Harness>(harness: &mut H) {
    async fn replayed<H: Harness>(harness: &H) -> Seen {
        let replay = harness.store().log().replay(Topic::Leads).await;
        let mut replay = replay.unwrap();
        let mut seen = Seen::new();
        while let Some((partition, records)) = replay.next().await.unwrap() {
            let place = seen.entry((Topic::Leads, partition)).or_default();
            place.extend(records.into_iter().map(|r| (r.offset, r.payload)));
        }
        assert_eq!(replay.next().await.unwrap(), None, "the end stays the end");
        seen
    }
    assert!(replayed(harness).await.is_empty(), "nothing was appended");
    for n in 0..30 {
        append(harness, n, format!("{n:02}"), Ack::Durable).await;
    }
    let mut group = consumer(harness, "beside").await;
    let read = read(&mut group, 30).await;
    for ((topic, partition), records) in &read {
        let (last, _) = records.last().unwrap();
        group
            .commit(&[(*topic, *partition, last + 1)])
            .await
            .unwrap();
    }
    let (one, other) = tokio::join!(replayed(harness), replayed(harness));
    assert_eq!((&one, &other), (&read, &read));
    drop(group);
    goes_on(harness).await;
    if harness.reopen().await {
        let again = replayed(harness).await;
        assert_eq!(again.values().map(Vec::len).sum::<usize>(), 32);
    }
}

async fn goes_on<H: Harness>(harness: &mut H) {
    let replay = harness.store().log().replay(Topic::Leads).await;
    let mut replay = replay.unwrap();
    while replay.next().await.unwrap().is_some() {}
    for text in ["one", "two"] {
        append(harness, 7, text.to_owned(), Ack::Durable).await;
        let came = tokio::time::timeout(SOON, async {
            loop {
                match replay.next().await.unwrap() {
                    Some((_, records)) => return records,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        let came = came.await.unwrap_or_else(|_| panic!("{text} never came"));
        let came: Vec<&[u8]> = came.iter().map(|record| &*record.payload).collect();
        assert_eq!(came, [text.as_bytes()]);
    }
}

/// A consumer at the end gets what is appended later, from whichever topic.
pub async fn a_consumer_waits_for_what_comes<H: Harness>(harness: &mut H) {
    let store = harness.store().clone();
    let topics = [Topic::Leads, Topic::Events];
    let mut consumer = store.log().subscribe("waits", &topics).await.unwrap();
    let appends = async {
        for topic in topics {
            let appended = store
                .log()
                .append(topic, 1, Bytes::from_static(b"x"), Ack::Kernel);
            appended.await.unwrap();
        }
    };
    let (seen, ()) = tokio::join!(read(&mut consumer, 2), appends);
    let topics: Vec<_> = seen.keys().map(|(topic, _)| *topic).collect();
    assert_eq!(topics, [Topic::Events, Topic::Leads]);
}

/// A wait for nothing ends with nothing.
pub async fn an_empty_wait_ends<H: Harness>(harness: &mut H) {
    let mut consumer = consumer(harness, "empty").await;
    loop {
        let next = consumer.next(Duration::from_millis(20)).await.unwrap();
        match next {
            None => return,
            Some(Delivery::Assigned { .. }) => {}
            Some(other) => panic!("nothing was appended: {other:?}"),
        }
    }
}
