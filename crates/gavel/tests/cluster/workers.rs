//! Partitions go from worker to worker under load, in order and not: reports and credits are as if there had
//! been one.

use std::sync::Arc;

use crate::load::{agree, all, settle, under_load};
use crate::town::Town;

const LEADS: u32 = 400;
/// Answers after which one worker is no more.
const KILLED_AFTER: usize = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_is_followed_by_the_other() {
    let Some(town) = Town::found("") else {
        return;
    };
    let nodes = Arc::new([town.node("one", &[]).await, town.node("other", &[]).await]);
    let leads = ("auto-us", 0..LEADS);
    let killed = nodes[1].kill_when_shipped();
    let (told, ()) = under_load(&nodes, leads, (KILLED_AFTER, |_| {}), killed).await;
    settle(&town, &nodes[0], told.len()).await;
    // The last clicks that it had acknowledged are in its journal.
    nodes[1].start().await;
    agree(&town, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_go_to_a_worker_that_comes_and_back_when_it_leaves() {
    let Some(town) = Town::found("") else {
        return;
    };
    let nodes = Arc::new([
        town.node("one", &[]).await,
        town.node("other", &["edge", "router"]).await,
    ]);
    let guest = async {
        let guest = town.node("guest", &["worker"]).await;
        guest.exchange().await;
        guest.end_in_order().await;
    };
    let (told, ()) = tokio::join!(all(&nodes, "auto-us", 0..LEADS, |_| {}), guest);
    settle(&town, &nodes[0], told.len()).await;
    agree(&town, &told).await;
}
