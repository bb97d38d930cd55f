//! kill -9 under inserts: every acknowledged row is there afterwards, once. Nothing is synced (docs/adr/0010): the
//! kernel has what a killed process had written.
//!
//! `cargo xtask engine kill --rounds 20` runs more rounds than every change goes through, at moments drawn from
//! another seed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hyper::Method;
use traffic::Dice;

use crate::server::{PATIENCE, Server, bytes, encoded, send};

const WRITERS: usize = 4;
/// Rows of a batch; those of batch `n` have the ids from `n * ROWS` on.
const ROWS: u64 = 50;
/// At least so many batches are acknowledged before a kill.
const FEWEST: u64 = 40;
/// And at most so many: from a cold start to where merges are under way.
const MOST: u64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_rows_survive_kill_9() {
    let asked = |name: &str, usual| match std::env::var(name) {
        Ok(number) => number.parse().expect("a number"),
        Err(_) => usual,
    };
    let rounds = asked("GAVEL_TEST_KILLS", 3);
    let mut dice = Dice::new(asked("GAVEL_TEST_KILLS_SEED", 1));
    let data = tempfile::tempdir().unwrap();
    let next = Arc::new(AtomicU64::new(0));
    let mut acknowledged: BTreeSet<u64> = BTreeSet::new();
    for round in 1..=rounds {
        let Some(server) = Server::start(data.path()) else {
            return;
        };
        server
            .run(
                "CREATE TABLE IF NOT EXISTS t (id UInt64) ENGINE = MergeTree ORDER BY id \
                 SETTINGS old_parts_lifetime = 480",
            )
            .await;
        check(&server, &acknowledged).await;
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..WRITERS {
            let (next, stop, count) = (Arc::clone(&next), Arc::clone(&stop), Arc::clone(&count));
            writers.spawn(write(server.address, next, stop, count));
        }
        let wanted = dice.between(FEWEST, MOST);
        let reached = async {
            while count.load(Ordering::Relaxed) < wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            reached = tokio::time::timeout(PATIENCE, reached) => {
                let count = count.load(Ordering::Relaxed);
                reached.unwrap_or_else(|_| panic!("{count} of {wanted} batches in {PATIENCE:?}"));
            }
            Some(ended) = writers.join_next() => panic!("a writer ended: {ended:?}"),
        }
        server.kill();
        stop.store(true, Ordering::Relaxed);
        while let Some(batches) = writers.join_next().await {
            acknowledged.extend(batches.unwrap());
        }
        eprintln!(
            "kill {round} after {wanted} batches; {} acknowledged so far",
            acknowledged.len()
        );
    }
    let server = Server::start(data.path()).unwrap();
    check(&server, &acknowledged).await;
    assert!(acknowledged.len() as u64 >= rounds * FEWEST);
}

/// Inserts batches, each with ids of its own and never sent twice, and gives those whose answer arrived whole.
async fn write(
    address: SocketAddr,
    next: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) -> Vec<u64> {
    let target = format!("/?query={}", encoded("INSERT INTO t FORMAT RowBinary"));
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let batch = next.fetch_add(1, Ordering::Relaxed);
        let ids = batch * ROWS..(batch + 1) * ROWS;
        let rows: Vec<u8> = ids.flat_map(u64::to_le_bytes).collect();
        match send(address, Method::POST, &target, &[], bytes(rows)).await {
            Ok(answer) if answer.status == 200 && answer.whole => {
                acknowledged.push(batch);
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) if answer.whole => panic!("refused: {}", answer.text()),
            _ => return acknowledged,
        }
    }
    acknowledged
}

/// Every acknowledged id is there and none is there twice; a batch that is there besides is whole too.
async fn check(server: &Server, acknowledged: &BTreeSet<u64>) {
    let twice = "SELECT count() - uniqExact(id) FROM t";
    assert_eq!(server.run(twice).await, "0\n", "ids that are there twice");
    let found = server.run("SELECT id FROM t ORDER BY id").await;
    let ids: BTreeSet<u64> = found.lines().map(|id| id.parse().unwrap()).collect();
    let expected = acknowledged.iter().flat_map(|n| n * ROWS..(n + 1) * ROWS);
    let lost: Vec<u64> = expected.filter(|id| !ids.contains(id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let batches: BTreeSet<u64> = ids.iter().map(|id| id / ROWS).collect();
    assert_eq!(
        ids.len() as u64,
        batches.len() as u64 * ROWS,
        "half batches"
    );
}
