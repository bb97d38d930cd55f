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

#[path = "lost/market.rs"]
mod market;
#[path = "lost/scene.rs"]
mod scene;

use std::time::{Duration, Instant};

use domain::{AuctionId, LeadId};
use store::{
    Admission, AdmitRequest, Caps as _, ClaimKey, Claims as _, ConsumerClaim, LeadView, StoreError,
};
use store_redis::{Health, OpenError, Redis};
use testkit::SeededEntropy;

use market::Market;
use scene::{FORGETS, REMEMBERS, Scene, counter, wall};

/// No call takes longer, whatever happens.
const PATIENCE: Duration = Duration::from_secs(1);

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
    let market = Market::open(&scene).await;
    for leads in [400, 1000] {
        market.until_ended(leads).await;
        scene.server.kill().unwrap();
        scene.server.start_again().unwrap();
    }
    market.until_ended(market::LEADS).await;
    market.is_as_the_log_says().await;
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

/// Scripts that are gone from a server that never went away are an alarm too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_scripts_is_lost() {
    let Some(scene) = Scene::start(FORGETS).await else {
        return;
    };
    let redis = scene.made().await;
    assert_eq!(redis.caps().used(&[counter()]).await, Ok(vec![0]));
    scene.ask(&["SCRIPT", "FLUSH"]);
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
    let redis = scene.made().await;
    let Ok(Admission::Granted(first)) = redis.claims().admit(request(None, "a")).await else {
        panic!("not granted");
    };
    scene.server.stop().unwrap();
    for _ in 0..3 {
        let asked = Instant::now();
        let away = redis.caps().used(&[counter()]).await;
        assert!(matches!(away, Err(StoreError::Unavailable(_))), "{away:?}");
        assert!(asked.elapsed() < PATIENCE + Duration::from_secs(1));
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

/// A server that forgets when it is full is refused, and so is one that is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_evicts_is_refused() {
    let Some(mut scene) = Scene::start(FORGETS).await else {
        return;
    };
    let redis = scene.made().await;
    scene.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let refused = Redis::open(scene.options("second")).await.unwrap_err();
    assert!(refused.to_string().contains("noeviction"), "{refused}");
    // Who uses it already is told when it looks again.
    scene.ask(&["SCRIPT", "FLUSH"]);
    let away = redis.caps().used(&[counter()]).await;
    assert!(
        matches!(&away, Err(StoreError::Unavailable(why)) if why.contains("allkeys-lru")),
        "{away:?}"
    );
    scene.server.kill().unwrap();
    let nobody = Redis::open(scene.options("third")).await;
    assert!(matches!(nobody, Err(OpenError::Away(_))));
}
