//! Leads on a Redis that forgets, for many seeds: `testkit::simulation` with a log in memory. A crash ends all
//! routers and the worker, and takes from Redis everything; the next node makes it again from the log.
//!
//! A failing seed is printed; put it into `SEEDS` to see it alone.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod cluster;

use std::ops::Range;
use std::time::Duration;

use cluster::{Cluster, Store};
use store_redis::Redis;
use testkit::SeededEntropy;
use testkit::conformance::Harness as _;
use testkit::simulation::{End, Machine, Plan, Tally, run};

const SEEDS: Range<u64> = 0..12;

impl Machine for Cluster {
    type Backend = Store;

    fn store(&self) -> Store {
        self.store.clone()
    }

    /// Nothing of it is only in memory.
    fn synced(&mut self) {}

    async fn restart(&mut self, _: End, _: &SeededEntropy) {
        // Another process, with a connection of its own.
        self.store.redis = Redis::open(self.options.clone()).await.unwrap();
        assert!(self.reopen().await);
    }

    async fn housekeep(&mut self) {}
}

async fn simulate(seed: u64) -> Option<Tally> {
    let mut cluster = Cluster::fresh().await?;
    // Every other server has its files: it is another process, and all else is there.
    if seed.is_multiple_of(2) {
        cluster.gone = "epoch";
    }
    let clock = cluster.clock.clone();
    // Some processes live long enough to be late with everything.
    let plan = Plan {
        crash_in: 60 + seed % 3 * 120,
        ..Plan::default()
    };
    Some(run(&mut cluster, &clock, seed, &plan).await)
}

#[test]
fn leads_end_once_whatever_redis_forgets() {
    let (mut crashes, mut sold, mut taken_over, mut repeats) = (0, 0, 0, 0);
    for seed in SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let ran = std::panic::catch_unwind(|| runtime.block_on(simulate(seed)));
        runtime.shutdown_timeout(Duration::ZERO);
        let Some(tally) = ran.unwrap_or_else(|_| panic!("seed {seed}")) else {
            return;
        };
        crashes += tally.crashes;
        sold += tally.sold;
        taken_over += tally.taken_over;
        repeats += tally.repeats;
    }
    println!("{crashes} crashes, {sold} sold, {taken_over} taken over, {repeats} repeats");
    // A simulation in which something never happens says nothing about it.
    for (what, count) in [
        ("crashes", crashes),
        ("sold", sold),
        ("taken over", taken_over),
        ("repeats", repeats),
    ] {
        assert!(count >= (SEEDS.end - SEEDS.start) / 10, "{count} {what}");
    }
}
