//! What nodes share goes away under load and comes back, and nodes are exchanged one after the other.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::load::{Nodes, Told, agree, all, settle, under_load};
use crate::town::Town;

/// How long Kafka is away: so many seconds if the environment says so, else this.
const AWAY: Duration = Duration::from_secs(10);
const LEADS: u32 = 600;
/// Answers after which the fault begins.
const BEGINS: usize = 100;
const LOAD: (&str, Range<u32>) = ("auto-us", 0..LEADS);

fn away() -> Duration {
    let seconds = std::env::var("GAVEL_FAULT_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok());
    seconds.map_or(AWAY, Duration::from_secs)
}

async fn two(town: &Town) -> Nodes {
    let one = town.node("one", &[]).await;
    let other = town.node("other", &["edge", "router"]).await;
    Arc::new([one, other])
}

/// Everybody was told of one lead for each key, and it is as they were told.
async fn holds(town: &Town, nodes: &Nodes, told: &Told) {
    assert_eq!(told.len(), LEADS as usize);
    settle(town, &nodes[0], told.len()).await;
    agree(town, told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_under_load_is_made_again_and_nothing_is_sold_twice() {
    let Some(mut town) = Town::found("") else {
        return;
    };
    let nodes = two(&town).await;
    let redis = &mut town.redis;
    let fault = async {
        redis.kill().unwrap();
        redis.start_again().unwrap();
    };
    let (told, ()) = under_load(&nodes, LOAD, (BEGINS, |_| {}), fault).await;
    holds(&town, &nodes, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_away_under_load_is_waited_for_in_the_journal() {
    let Some((town, mut kafka)) = Town::found_with_kafka() else {
        return;
    };
    let nodes = two(&town).await;
    let fault = async {
        kafka.kill().unwrap();
        let mut redirected = 0;
        let began = std::time::Instant::now();
        while began.elapsed() < away() {
            let click = nodes[redirected % 2].get("/c/alpha-search").await;
            assert!(click.status.is_redirection(), "{}", click.status);
            redirected += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        kafka.start_again().unwrap();
        redirected
    };
    let (told, redirected) = under_load(&nodes, LOAD, (BEGINS, |_| {}), fault).await;
    holds(&town, &nodes, &told).await;
    let clicks = "SELECT count() FROM v_events WHERE kind = 'click'";
    // Every other lead comes from a click as well.
    town.until(clicks, redirected as u64 + u64::from(LEADS / 2))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_exchanged_one_after_the_other_and_no_request_fails() {
    let Some(town) = Town::found("") else {
        return;
    };
    let nodes = two(&town).await;
    let exchanging = {
        let nodes = Arc::clone(&nodes);
        async move {
            for node in nodes.iter() {
                node.exchange().await;
            }
        }
    };
    let (told, ()) = tokio::join!(all(&nodes, "auto-us", 0..LEADS, |_| {}), exchanging);
    holds(&town, &nodes, &told).await;
}
