//! A server that is killed, stopped, exchanged or emptied: nothing that it forgot is trusted, and what is
//! made again from the log is what the log says.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails where it stands"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the server has the machine's time, and so has its caller"
)]

#[path = "lost/cut.rs"]
mod cut;
#[path = "lost/market.rs"]
mod market;
#[path = "lost/scene.rs"]
mod scene;
#[path = "lost/tracks.rs"]
mod tracks;

use std::time::Duration;

use domain::{AuctionId, LeadId};
use store::{
    Admission, AdmitRequest, Caps as _, ClaimKey, Claims as _, ConsumerClaim, Journeys as _,
    LeadView, StoreError,
};
use store_redis::{Health, OpenError, Redis, RedisOptions};
use testkit::SeededEntropy;

use cut::CutLog;
use market::Market;
use scene::{FORGETS, KEEPS, Scene, counter, wall};
use tracks::Tracks;

/// What a call may take where that is tried.
const PATIENCE: Duration = Duration::from_secs(1);
/// What a server of these was told is on disk a second later.
const REMEMBERS: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];

/// Tells the server something.
fn ask(scene: &Scene, words: &[&str]) {
    let client = redis::Client::open(scene.server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut command = redis::Cmd::new();
    command.arg(words);
    let said: redis::Value = command.query(&mut connection).unwrap();
    assert_eq!(said, redis::Value::Okay);
}

fn request(quote: Option<AuctionId>, key: &str) -> AdmitRequest {
    AdmitRequest {
        lead: LeadId::mint(wall(), &SeededEntropy::new(key.len() as u64)),
        key: ClaimKey(key.to_owned()),
        digest: [1; 32],
        quote,
        consumer: ConsumerClaim::default(),
        lease: Duration::from_secs(40),
        now: wall(),
    }
}

/// 2,000 leads through two routers for a cap of 1,000, and the server killed twice meanwhile, with all its
/// files or with none: never more than the cap is out, all of it is sold in the end, and what Redis then
/// has is what the log says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_with_its_files() {
    killed_under_load(REMEMBERS).await;
}

/// As above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_without_files() {
    killed_under_load(FORGETS).await;
}

async fn killed_under_load(files: &[&str]) {
    let Some(mut scene) = Scene::start(files).await else {
        return;
    };
    let market = Market::open(&scene, 30 * PATIENCE).await;
    for leads in [400, 1000] {
        market.until_ended(leads).await;
        scene.server.kill().unwrap();
        scene.server.start_again().unwrap();
    }
    market.until_ended(market::LEADS).await;
    assert_eq!(market.is_as_the_log_says().await, market::CAP);
}

/// As above, and the server stops for a while, twice, longer than anybody waits: what it does when it goes on,
/// nobody hears of. Nothing is left behind of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_under_load() {
    let Some(scene) = Scene::start(FORGETS).await else {
        return;
    };
    let market = Market::open(&scene, PATIENCE / 5).await;
    for leads in [400, 1000] {
        market.until_ended(leads).await;
        scene.server.stop().unwrap();
        tokio::time::sleep(PATIENCE / 2).await;
        scene.server.go_on().unwrap();
    }
    market.until_ended(market::LEADS).await;
    // What was held and not heard of may have kept the last leads away.
    assert!(market.is_as_the_log_says().await <= market::CAP);
}

/// A server without its memory answers nothing until it has been made again, and a quote of before is void.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_is_not_trusted() {
    let Some(mut scene) = Scene::start(FORGETS).await else {
        return;
    };
    let redis = scene.made().await;
    let entropy = SeededEntropy::new(1);
    let quote = AuctionId::mint(wall(), &entropy);
    let first = redis.claims().admit(request(Some(quote), "a")).await;
    assert!(matches!(first, Ok(Admission::Granted(_))), "{first:?}");

    scene.server.kill().unwrap();
    scene.server.start_again().unwrap();
    let unmade = scene.until(&redis, |health| *health == Health::Lost).await;
    assert_eq!(unmade, Health::Lost);
    assert_eq!(redis.caps().used(&[counter()]).await, Err(StoreError::Lost));
    let lead = redis.claims().lead(request(None, "a").lead).await;
    assert!(matches!(lead, Err(StoreError::Lost)), "{lead:?}");
    // One who comes now finds the same.
    let second = Redis::open(scene.options("second")).await.unwrap();
    assert_eq!(second.health(), Health::Lost);

    // A router waits a moment before the first quote of the new epoch; ids have milliseconds.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let rebuild = second.rebuild().await.unwrap().unwrap();
    assert!(redis.rebuild().await.unwrap().is_none(), "one at a time");
    assert_eq!(redis.caps().used(&[counter()]).await, Err(StoreError::Lost));
    rebuild.finish().await.unwrap();
    for store in [&redis, &second] {
        scene.until(store, |health| *health == Health::Up).await;
        assert_eq!(store.caps().used(&[counter()]).await, Ok(vec![0]));
    }
    let late = redis.claims().admit(request(Some(quote), "b")).await;
    assert!(matches!(late, Ok(Admission::QuoteVoid)), "{late:?}");
    let fresh = AuctionId::mint(wall().plus(Duration::from_millis(2)), &entropy);
    let fresh = redis.claims().admit(request(Some(fresh), "c")).await;
    assert!(matches!(fresh, Ok(Admission::Granted(_))), "{fresh:?}");
}

/// Also where everything it was told is on its disk, and for one who comes new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_came_back_with_its_files_is_lost_too() {
    let Some(mut scene) = Scene::start(KEEPS).await else {
        return;
    };
    let redis = scene.made().await;
    let first = redis.claims().admit(request(None, "a")).await;
    assert!(matches!(first, Ok(Admission::Granted(_))), "{first:?}");
    scene.server.kill().unwrap();
    scene.server.start_again().unwrap();
    let second = Redis::open(scene.options("second")).await.unwrap();
    assert_eq!(second.health(), Health::Lost);
    scene.until(&redis, |health| *health == Health::Lost).await;
}

/// Scripts that are gone from a server that never went away are an alarm too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_scripts_is_lost() {
    let Some(scene) = Scene::start(FORGETS).await else {
        return;
    };
    let redis = scene.made().await;
    assert_eq!(redis.caps().used(&[counter()]).await, Ok(vec![0]));
    ask(&scene, &["SCRIPT", "FLUSH"]);
    assert_eq!(redis.caps().used(&[counter()]).await, Err(StoreError::Lost));
    assert_eq!(
        redis.make_again(scene.log(), Duration::ZERO).await,
        Ok(Some(0))
    );
    assert_eq!(redis.caps().used(&[counter()]).await, Ok(vec![0]));
}

/// A server that does not answer is away within the time a call has, and back when it goes on, with all
/// that it knew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_is_away_and_comes_back() {
    let Some(mut scene) = Scene::start(FORGETS).await else {
        return;
    };
    let options = RedisOptions {
        connect_within: PATIENCE,
        answer_within: PATIENCE,
        ..scene.options("first")
    };
    let redis = scene.made_by(options).await;
    let Ok(Admission::Granted(first)) = redis.claims().admit(request(None, "a")).await else {
        panic!("not granted");
    };
    scene.server.stop().unwrap();
    for _ in 0..3 {
        // However late this is looked at, an answer that was there in time is heard.
        let (caps, counters) = (redis.caps(), [counter()]);
        let away = tokio::time::timeout(2 * PATIENCE, caps.used(&counters)).await;
        let away = away.unwrap();
        assert!(matches!(away, Err(StoreError::Unavailable(_))), "{away:?}");
    }
    scene.server.go_on().unwrap();
    scene.until(&redis, |health| *health == Health::Up).await;
    let known = redis.claims().by_key(&ClaimKey("a".to_owned())).await;
    assert_eq!(known, Ok(Some(first)));

    // One that is gone is away at once.
    scene.server.kill().unwrap();
    let away = |health: &Health| matches!(health, Health::Away(_));
    scene.until(&redis, away).await;
    let seen = LeadView {
        lead: first,
        state: None,
        answer: None,
    };
    let waited = redis.claims().changed(&seen, PATIENCE).await;
    assert!(matches!(waited, Err(StoreError::Unavailable(_))));
}

/// A full server takes nothing, forgets nothing, and says so; a node that failed to make it again may try at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_refuses_and_forgets_nothing() {
    let Some(scene) = Scene::start(FORGETS).await else {
        return;
    };
    let redis = scene.made().await;
    let Ok(Admission::Granted(first)) = redis.claims().admit(request(None, "a")).await else {
        panic!("not granted");
    };
    ask(&scene, &["CONFIG", "SET", "maxmemory", "1"]);
    let full = redis.claims().admit(request(None, "b")).await;
    assert!(
        matches!(&full, Err(StoreError::Unavailable(why)) if why.contains("OOM")),
        "{full:?}"
    );
    assert_eq!(redis.health(), Health::Up);
    ask(&scene, &["CONFIG", "SET", "maxmemory", "0"]);
    let known = redis.claims().by_key(&ClaimKey("a".to_owned())).await;
    assert_eq!(known, Ok(Some(first)));
    let second = redis.claims().admit(request(None, "b")).await;
    assert!(matches!(second, Ok(Admission::Granted(_))), "{second:?}");

    // One that died halfway left its word where the epoch is; nobody begins where nothing was lost.
    assert!(redis.rebuild().await.unwrap().is_none());
    ask(&scene, &["SCRIPT", "FLUSH"]);
    drop(redis.rebuild().await.unwrap().unwrap());
    assert_eq!(redis.caps().used(&[counter()]).await, Err(StoreError::Lost));
    let again = redis.make_again(scene.log(), Duration::ZERO).await;
    assert_eq!(again, Ok(Some(0)));
    // Nothing was recorded of it.
    let known = redis.claims().by_key(&ClaimKey("a".to_owned())).await;
    assert_eq!(known, Ok(None));
}

/// A server that forgets when it is full is refused, and so is one that is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_evicts_is_refused() {
    let Some(mut scene) = Scene::start(FORGETS).await else {
        return;
    };
    let redis = scene.made().await;
    ask(
        &scene,
        &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"],
    );
    let tagged = RedisOptions {
        prefix: "a{b}".to_owned(),
        ..scene.options("second")
    };
    let refused = Redis::open(tagged).await.unwrap_err();
    assert!(refused.to_string().contains("prefix"), "{refused}");
    let refused = Redis::open(scene.options("second")).await.unwrap_err();
    assert!(refused.to_string().contains("noeviction"), "{refused}");
    // Who uses it already is told when it looks again.
    ask(&scene, &["SCRIPT", "FLUSH"]);
    let away = redis.caps().used(&[counter()]).await;
    assert!(
        matches!(&away, Err(StoreError::Unavailable(why)) if why.contains("allkeys-lru")),
        "{away:?}"
    );
    scene.server.kill().unwrap();
    let nobody = Redis::open(scene.options("third")).await;
    assert!(matches!(nobody, Err(OpenError::Away(_))));
}

/// Two workers on one partition for a moment, with the same batches: journeys are as if there were one, and the
/// revisions too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_on_one_partition_are_one_after_the_other() {
    let Some(scene) = Scene::start(FORGETS).await else {
        return;
    };
    let (one, tracks) = (scene.made().await, Tracks::of_a_visitor(20));
    let two = Redis::open(scene.options("second")).await.unwrap();
    // On a log without a record they begin with the leads.
    assert_eq!(one.journeys().through(0).await, Ok(0));
    // Each has its own batches, so that what one takes from the other is not written again by that.
    let read = async |redis: &Redis, first: usize| {
        let batches = (0_u64..).zip(tracks.0.chunks(3));
        for (at, batch) in batches.skip(first).step_by(2) {
            let through = (0, (at + 1) * 3);
            redis
                .journeys()
                .apply(batch.to_vec(), through, 0)
                .await
                .unwrap();
        }
    };
    tokio::join!(read(&one, 0), read(&two, 1));
    let mut expected = None;
    // Partition 1 has one worker.
    for partition in [0, 1] {
        let through = (partition, 40);
        if partition == 1 {
            for batch in tracks.0.chunks(3) {
                one.journeys()
                    .apply(batch.to_vec(), through, 0)
                    .await
                    .unwrap();
            }
        }
        let known = one
            .journeys()
            .apply(tracks.0[..1].to_vec(), through, 0)
            .await
            .unwrap();
        assert_eq!(known.journeys.len(), 1);
        let entries = known.journeys[0].entries.clone();
        assert_eq!(entries.len(), tracks.0.len());
        match &expected {
            None => expected = Some(entries),
            Some(expected) => assert_eq!(&entries, expected),
        }
    }
}

/// Journeys of a server that forgot them are refused until they are restored, and then are what they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_journeys_are_restored_from_the_log() {
    let Some(mut scene) = Scene::start(FORGETS).await else {
        return;
    };
    let tracks = Tracks::of_a_visitor(10);
    tracks.append(scene.log()).await;
    let redis = scene.made().await;
    let meaning = |record: &store::Record| tracks.meaning(record);
    let early = redis.journeys().apply(tracks.0.clone(), (0, 0), 0).await;
    assert_eq!(early, Err(StoreError::Lost), "nobody has begun");
    assert_eq!(redis.restore_journeys(scene.log(), meaning).await, Ok(20));
    assert_eq!(redis.journeys().through(0).await, Ok(20));
    let before = redis.journeys().apply(tracks.0.clone(), (0, 20), 0).await;
    assert_eq!(redis.restore_journeys(scene.log(), meaning).await, Ok(0));

    scene.server.kill().unwrap();
    scene.server.start_again().unwrap();
    scene.until(&redis, |health| *health == Health::Lost).await;
    assert_eq!(
        redis.restore_journeys(scene.log(), meaning).await,
        Err(StoreError::Lost)
    );
    assert_eq!(
        redis.make_again(scene.log(), Duration::ZERO).await,
        Ok(Some(0))
    );
    let unrestored = redis.journeys().apply(tracks.0.clone(), (0, 20), 0).await;
    assert_eq!(unrestored, Err(StoreError::Lost));
    let restored = async {
        while redis.journeys().through(0).await != Ok(20) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = redis.watch_journeys(scene.log(), meaning) => {}
        restored = tokio::time::timeout(Duration::from_secs(30), restored) => restored.unwrap(),
    }
    let after = redis.journeys().apply(tracks.0.clone(), (0, 20), 0).await;
    assert_eq!(after, before);
    assert!(before.is_ok());
    assert_eq!(redis.journeys_short(), None, "the log had all of it");
}

/// What is older than the log is known to Redis's files alone. Where they are gone too, it is said for as long as it
/// would have mattered, by every node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journeys_that_are_older_than_the_log_are_missed() {
    let Some(mut scene) = Scene::start(FORGETS).await else {
        return;
    };
    let tracks = Tracks::of_a_visitor(10);
    tracks.append(scene.log()).await;
    let redis = scene.made().await;
    let meaning = |record: &store::Record| tracks.meaning(record);
    assert_eq!(redis.restore_journeys(scene.log(), meaning).await, Ok(20));

    scene.server.kill().unwrap();
    scene.server.start_again().unwrap();
    scene.until(&redis, |health| *health == Health::Lost).await;
    let made = redis.make_again(scene.log(), Duration::ZERO).await;
    assert_eq!(made, Ok(Some(0)));
    let cut = CutLog {
        log: scene.log().clone(),
        begins: 7,
    };
    assert_eq!(redis.restore_journeys(&cut, meaning).await, Ok(13));
    let other = Redis::open(scene.options("another")).await.unwrap();
    assert_eq!(other.journeys_short(), None, "it has not looked yet");
    let noted = async {
        while other.journeys_short().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = other.watch_journeys(&cut, meaning) => {}
        noted = tokio::time::timeout(Duration::from_secs(30), noted) => noted.unwrap(),
    }
}
