//! Before the store is made again, and after: whose records are waited for, what the log cannot say any more,
//! and how much is kept of what may be forgotten.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]
#![expect(
    clippy::disallowed_methods,
    reason = "the server has the machine's time, and so has its caller"
)]

#[path = "lost/scene.rs"]
mod scene;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{LeadId, Reservation, ReservationId};
use proto::{Interrupted, LeadBody};
use store::{
    Ack, Admission, AdmitRequest, Backend as _, Caps as _, ClaimKey, Claims as _, Consumer as _,
    ConsumerClaim, Delivery, EventLog as _, Held, Lookup, Pinned, PostingClaim, Topic, key,
};
use store_local::{Local, LocalOptions};
use store_redis::{Health, Redis, RedisOptions};
use testkit::{FakeClock, SeededEntropy, records};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use scene::{FORGETS, KEEPS, Scene, counter, wall};

const SOON: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
/// Of a claim.
const LEASE: Duration = Duration::from_secs(2);

/// A node that tells of itself.
fn telling(redis: &Redis, name: &'static str, has: &Arc<AtomicU64>) -> JoinHandle<()> {
    let (redis, has) = (redis.clone(), Arc::clone(has));
    tokio::spawn(async move { redis.tell_of(name, || has.load(Ordering::SeqCst)).await })
}

async fn until(what: impl Fn() -> bool) {
    let waited = async {
        while !what() {
            sleep(LOOK).await;
        }
    };
    tokio::time::timeout(SOON, waited).await.unwrap();
}

fn make_again(redis: &Redis, log: &Local) -> JoinHandle<Option<u64>> {
    let (redis, log) = (redis.clone(), log.clone());
    tokio::spawn(async move { redis.make_again(log.log(), Duration::ZERO).await.unwrap() })
}

async fn append(log: &Local, lead: LeadId, body: LeadBody) {
    let record = records::bytes(&records::record(lead, 0, wall(), body));
    let appended = log
        .log()
        .append(Topic::Leads, key::lead(lead), record, Ack::Durable);
    appended.await.unwrap();
}

fn posting() -> LeadBody {
    let unit = records::unit(&counter().to_string(), 1);
    let till = wall().plus(Duration::from_secs(30));
    LeadBody::Posting(records::posting(1, &[unit], till))
}

async fn lose(scene: &mut Scene, redis: &Redis) {
    scene.server.kill().unwrap();
    scene.server.start_again().unwrap();
    scene.until(redis, |health| *health == Health::Lost).await;
}

/// A node that lives ships what it has, and that counts; one that is silent is waited for until it is heard, or
/// taken out of the roll.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_lead_records_that_the_log_has_not_is_waited_for() {
    let Some(mut scene) = Scene::start(KEEPS).await else {
        return;
    };
    let redis = scene.made().await;
    let there = Redis::open(scene.options("there")).await.unwrap();
    let (nothing, has) = (Arc::default(), Arc::new(AtomicU64::new(100)));
    let _here = telling(&redis, "here", &nothing);
    let told = telling(&there, "there", &has);
    until_told(&scene, "there").await;
    told.abort();

    lose(&mut scene, &redis).await;
    let made = make_again(&redis, &scene.local);
    until(|| redis.waits_for().as_deref() == Some("there")).await;
    assert!(!made.is_finished());
    let lead = LeadId::mint(wall(), &SeededEntropy::new(1));
    append(&scene.local, lead, posting()).await;
    has.store(0, Ordering::SeqCst);
    let told = telling(&there, "there", &has);
    assert_eq!(made.await.unwrap(), Some(1));
    scene.until(&redis, |health| *health == Health::Up).await;
    assert_eq!(redis.caps().used(&[counter()]).await, Ok(vec![1]));

    // This time it is gone for good, and somebody says so.
    has.store(100, Ordering::SeqCst);
    until_told(&scene, "there").await;
    told.abort();
    lose(&mut scene, &redis).await;
    let made = make_again(&redis, &scene.local);
    until(|| redis.waits_for().as_deref() == Some("there")).await;
    assert!(!made.is_finished());
    redis.leave_roll("there").await.unwrap();
    assert_eq!(made.await.unwrap(), Some(1));
    assert_eq!(redis.caps().used(&[counter()]).await, Ok(vec![1]));
}

/// A router claimed to post a lead, pinned a unit for it, and was gone before the log had a word of either: once its
/// lease is over and the log has been folded, its key and its unit are anybody's. Not while a node may have that word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_that_was_claimed_and_never_recorded_may_come_again() {
    let Some(scene) = Scene::start(FORGETS).await else {
        return;
    };
    let clock = FakeClock::new(wall());
    let wall = || clock.port().wall();
    let options = RedisOptions {
        clock: Some(clock.port()),
        ..scene.options("first")
    };
    let redis = scene.made_by(options).await;
    let claims = redis.claims();
    let claim = async |key: &str, seed| {
        let request = AdmitRequest {
            lead: LeadId::mint(wall(), &SeededEntropy::new(seed)),
            key: ClaimKey(key.to_owned()),
            digest: [1; 32],
            quote: None,
            consumer: ConsumerClaim::default(),
            lease: LEASE,
            now: wall(),
        };
        let Admission::Granted(lead) = claims.admit(request).await.unwrap() else {
            return None;
        };
        Some(lead)
    };
    let pin = async |lead| {
        let unit = Reservation {
            id: ReservationId { lead, leg: 1 },
            counters: vec![records::unit(&counter().to_string(), 10)],
        };
        let till = wall().plus(SOON);
        assert_eq!(
            redis.caps().hold(&unit, wall(), till).await,
            Ok(Held::Granted)
        );
        let taken = claims.posting(lead).await;
        assert_eq!(taken, Ok(PostingClaim::Yours));
        let pinned = redis.caps().pin(unit.id, wall()).await;
        assert_eq!(pinned, Ok(Pinned::Pinned));
    };
    let interrupted = |lead| {
        let body = LeadBody::Interrupted(Interrupted {});
        records::record(lead, 0, wall(), body)
    };
    let (lost, recorded) = (
        claim("lost", 1).await.unwrap(),
        claim("recorded", 2).await.unwrap(),
    );
    pin(lost).await;
    pin(recorded).await;
    let received = records::received(&ClaimKey("recorded".to_owned()), &[1; 32]);
    let received = records::record(recorded, 0, wall(), received);
    claims.fold(0, &received).await.unwrap();
    // While it may still be under way nobody says that it is gone, and saying so is nothing.
    assert_eq!(claims.unrecorded(partition(lost)).await, Ok(vec![]));
    claims.fold(1, &interrupted(lost)).await.unwrap();
    assert_eq!(claim("lost", 3).await, None);
    clock.advance(LEASE);

    // A node has lead records in its journal, and this may be of them.
    let has = Arc::new(AtomicU64::new(100));
    let telling = telling(&redis, "there", &has);
    until_told(&scene, "there").await;
    assert_eq!(claims.unrecorded(partition(lost)).await, Ok(vec![]));
    has.store(0, Ordering::SeqCst);
    let waited = async {
        while claims.unrecorded(partition(lost)).await != Ok(vec![lost]) {
            sleep(LOOK).await;
        }
    };
    tokio::time::timeout(SOON, waited).await.unwrap();
    telling.abort();

    assert_eq!(claim("lost", 4).await, None);
    assert_eq!(redis.caps().used(&[counter()]).await, Ok(vec![2]));
    for lead in [lost, recorded] {
        claims.fold(2, &interrupted(lead)).await.unwrap();
    }
    assert_eq!(claims.unrecorded(partition(lost)).await, Ok(vec![]));
    assert_ne!(claim("lost", 5).await, None);
    assert_eq!(claim("recorded", 6).await, None);
}

/// The partition that has a lead's records.
fn partition(lead: LeadId) -> u16 {
    let partitions = u64::from(RedisOptions::default().partitions);
    u16::try_from(key::lead(lead) % partitions).unwrap()
}

/// Waits until a node has said that it has something.
async fn until_told(scene: &Scene, name: &str) {
    let client = redis::Client::open(scene.server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let waited = async {
        loop {
            let mut get = redis::cmd("HGET");
            let said: Option<String> = get
                .arg("{gavel.claims}:nodes")
                .arg(name)
                .query(&mut connection)
                .unwrap();
            if said.is_some_and(|said| said.contains(" 100 ")) {
                return;
            }
            sleep(LOOK).await;
        }
    };
    tokio::time::timeout(SOON, waited).await.unwrap();
}

/// Where nothing is known and the log does not reach back to its beginning, a cap without an end is full until
/// somebody has set it; others are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_without_an_end_that_cannot_be_counted_is_shut() {
    let Some(mut scene) = Scene::start(FORGETS).await else {
        return;
    };
    let options = LocalOptions {
        memory_bytes: 2000,
        partitions: 1,
        ..LocalOptions::default()
    };
    let log = Local::open(options, FakeClock::new(wall()).port()).unwrap();
    let options = RedisOptions {
        partitions: 1,
        ..scene.options("first")
    };
    let redis = Redis::open(options).await.unwrap();
    assert_eq!(
        redis.make_again(log.log(), Duration::ZERO).await,
        Ok(Some(0))
    );
    let mut worker = log
        .log()
        .subscribe("worker", &[Topic::Leads])
        .await
        .unwrap();
    let entropy = SeededEntropy::new(1);
    // More than it keeps.
    for _ in 0..100 {
        append(&log, LeadId::mint(wall(), &entropy), posting()).await;
        while let Some(delivery) = worker.next(Duration::ZERO).await.unwrap() {
            if let Delivery::Records {
                topic,
                partition,
                records,
            } = delivery
            {
                let next = records.last().unwrap().offset + 1;
                worker.commit(&[(topic, partition, next)]).await.unwrap();
            }
        }
    }
    lose(&mut scene, &redis).await;
    let made = redis.make_again(log.log(), Duration::ZERO).await.unwrap();
    assert!(made.is_some_and(|records| records < 100), "{made:?}");
    scene.until(&redis, |health| *health == Health::Up).await;

    let hold = async |name: &str| {
        let one = Reservation {
            id: ReservationId {
                lead: LeadId::mint(wall(), &entropy),
                leg: 1,
            },
            counters: vec![records::unit(name, 1_000_000)],
        };
        let now = wall();
        let till = now.plus(Duration::from_secs(5));
        redis.caps().hold(&one, now, till).await.unwrap()
    };
    let total = counter().to_string();
    assert!(matches!(hold(&total).await, Held::Full(_)));
    assert_eq!(hold("c:buyer-1/contract-1/d20261122").await, Held::Granted);
    let client = redis::Client::open(scene.server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let () = redis::cmd("DEL")
        .arg("{gavel.caps}:short")
        .query(&mut connection)
        .unwrap();
    assert_eq!(hold(&total).await, Held::Granted);
}

/// The oldest answers to pings make room for new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_to_pings_have_a_limit_of_bytes() {
    let Some(scene) = Scene::start(FORGETS).await else {
        return;
    };
    let _made = scene.made().await;
    let options = RedisOptions {
        quote_bytes: 1000,
        ..scene.options("second")
    };
    let redis = Redis::open(options).await.unwrap();
    let key = |n: i32| ClaimKey(format!("pub/solar/ping/{n}"));
    let digest = [1; 32];
    for n in 0..30 {
        let answer = vec![b'a'; 100].into();
        let quoted = redis.claims().quoted(key(n), digest, answer, wall());
        quoted.await.unwrap();
    }
    for n in 0..30 {
        let known = redis.claims().lookup(&key(n), &digest).await.unwrap();
        let kept = matches!(known, Lookup::Quote(_));
        assert_eq!(kept, n >= 20, "{n}: {known:?}");
    }
}
