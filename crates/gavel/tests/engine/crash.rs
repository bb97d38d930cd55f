//! kill -9 under inserts: every acknowledged row is there afterwards, once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hyper::Method;

use crate::server::{Server, bytes, encoded, send};

const ROUNDS: u64 = 3;
const WRITERS: usize = 4;
const ROWS: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_rows_survive_kill_9() {
    let data = tempfile::tempdir().unwrap();
    let next = Arc::new(AtomicU64::new(0));
    let mut acknowledged: BTreeSet<u64> = BTreeSet::new();
    for round in 0..ROUNDS {
        let Some(server) = Server::start(data.path()) else {
            return;
        };
        server
            .run(
                "CREATE TABLE IF NOT EXISTS t (batch UInt64, row UInt64) ENGINE = MergeTree \
                 ORDER BY (batch, row) SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, \
                 min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480",
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
        // Other moments each round: a cold start, and with merges under way.
        let wanted = 40 + 120 * round;
        let reached = async {
            while count.load(Ordering::Relaxed) < wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(crate::server::PATIENCE, reached)
            .await
            .expect("writers get on");
        server.kill();
        stop.store(true, Ordering::Relaxed);
        while let Some(batches) = writers.join_next().await {
            acknowledged.extend(batches.unwrap());
        }
    }
    let server = Server::start(data.path()).unwrap();
    check(&server, &acknowledged).await;
    assert!(
        acknowledged.len() as u64 >= ROUNDS * 40,
        "{}",
        acknowledged.len()
    );
    eprintln!(
        "{} batches of {ROWS} rows acknowledged over {ROUNDS} kills",
        acknowledged.len()
    );
}

/// Inserts batches, each with a number of its own and never sent twice, and gives those whose
/// answer arrived whole.
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
        let rows: Vec<u8> = (0..ROWS)
            .flat_map(|row| [batch.to_le_bytes(), row.to_le_bytes()].concat())
            .collect();
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

/// Every acknowledged batch is there whole and once; what is there besides is whole too.
async fn check(server: &Server, acknowledged: &BTreeSet<u64>) {
    let select = "SELECT batch, count(), uniqExact(row) FROM t GROUP BY batch ORDER BY batch";
    let found = server.run(select).await;
    let mut there = BTreeSet::new();
    for line in found.lines() {
        let numbers: Vec<u64> = line
            .split('\t')
            .map(|number| number.parse().unwrap())
            .collect();
        assert_eq!(numbers[1..], [ROWS, ROWS], "batch {}", numbers[0]);
        there.insert(numbers[0]);
    }
    let lost: Vec<_> = acknowledged.difference(&there).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}
