//! Leads on a store that crashes, for many seeds: `testkit::simulation` on files in memory.
//!
//! A failing seed is printed; put it into `SEEDS` to see it alone.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use domain::Timestamp;
use store_local::{Local, LocalOptions, OnFailure};
use tempfile::TempDir;
use testkit::simulation::{End, Machine, Plan, Tally, run};
use testkit::{FakeClock, SeededEntropy};

const SEEDS: Range<u64> = 0..120;

/// A store on files, and what a power cut would leave of them.
struct Disk {
    store: Option<Local>,
    dir: TempDir,
    clock: FakeClock,
    options: LocalOptions,
    /// The log when everything in it was known to be durable: the mark's bytes, the last file and
    /// its length.
    synced: Option<(Vec<u8>, PathBuf, u64)>,
}

impl Disk {
    fn new(clock: &FakeClock, seed: u64) -> Self {
        // In memory, so that hundreds of seeds with a sync per step take seconds.
        let memory = Path::new("/dev/shm");
        let dir = match memory.is_dir() {
            true => tempfile::tempdir_in(memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        let options = LocalOptions {
            on_failure: OnFailure::Stop,
            // Some seeds cut the log as soon as they may.
            retention: std::time::Duration::from_secs(seed % 2 * 3600),
            segment_bytes: 2048 << (seed % 4 * 3),
            // In half of them leads go from memory as soon as they may.
            leads_hot: std::time::Duration::from_secs(seed / 2 % 2 * 300),
            // Snapshots are taken when the seed says so.
            snapshot_bytes: u64::MAX,
            reserve_bytes: 1 << 20,
            ..LocalOptions::in_dir(dir.path())
        };
        let store = Local::open(options.clone(), clock.port()).unwrap();
        Self {
            store: Some(store),
            dir,
            clock: clock.clone(),
            options,
            synced: None,
        }
    }

    fn leads(&self) -> PathBuf {
        self.dir.path().join("leads")
    }

    /// The segment that is written to.
    fn last_file(&self) -> (PathBuf, u64) {
        let files = fs::read_dir(self.leads()).unwrap();
        let files: BTreeMap<PathBuf, u64> = files
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().extension().is_some_and(|it| it == "seg"))
            .map(|entry| (entry.path(), entry.metadata().unwrap().len()))
            .collect();
        files.into_iter().next_back().unwrap()
    }

    /// Takes a part of what was not synced.
    fn cut_power(&self, entropy: &SeededEntropy) {
        let Some((mark, file, length)) = &self.synced else {
            return;
        };
        let (last, end) = self.last_file();
        if last != *file || end < *length {
            return;
        }
        let kept = length + entropy.below(end - length + 1);
        fs::write(self.leads().join("synced"), mark).unwrap();
        let file = fs::OpenOptions::new().write(true).open(&last).unwrap();
        file.set_len(kept).unwrap();
    }
}

impl Machine for Disk {
    type Backend = Local;

    fn store(&self) -> Local {
        self.store.clone().unwrap()
    }

    fn synced(&mut self) {
        let (file, length) = self.last_file();
        let mark = fs::read(self.leads().join("synced")).unwrap_or_default();
        self.synced = Some((mark, file, length));
    }

    async fn restart(&mut self, end: End, entropy: &SeededEntropy) {
        let store = self.store.take().unwrap();
        if end == End::Closed {
            store.close().await;
        }
        drop(store);
        if end == End::PowerCut {
            self.cut_power(entropy);
        }
        self.synced = None;
        self.store = Some(Local::open(self.options.clone(), self.clock.port()).unwrap());
    }

    async fn housekeep(&mut self) {
        self.store().snapshot().await.unwrap();
    }
}

async fn simulate(seed: u64) -> Tally {
    // Far ahead of the files' own times, which decide what is old enough to be cut.
    let clock = FakeClock::new(Timestamp::from_micros(4_102_488_000_000_000));
    let mut disk = Disk::new(&clock, seed);
    // Some processes live long enough to be late with everything.
    let plan = Plan {
        crash_in: 60 + seed % 3 * 120,
        ..Plan::default()
    };
    run(&mut disk, &clock, seed, &plan).await
}

#[test]
fn leads_end_once_whatever_crashes() {
    let mut sum = Tally::default();
    for seed in SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let ran = std::panic::catch_unwind(|| runtime.block_on(simulate(seed)));
        let tally = ran.unwrap_or_else(|_| panic!("seed {seed}"));
        sum.crashes += tally.crashes;
        sum.leads += tally.leads;
        sum.sold += tally.sold;
        sum.interrupted += tally.interrupted;
        sum.settlements += tally.settlements;
        sum.repeats += tally.repeats;
        sum.late += tally.late;
        sum.taken_over += tally.taken_over;
        sum.abandoned += tally.abandoned;
        sum.silent += tally.silent;
        sum.waits += tally.waits;
        sum.duplicates += tally.duplicates;
    }
    println!("{sum:?}");
    // A simulation in which something never happens says nothing about it.
    let Tally {
        crashes,
        leads,
        sold,
        interrupted,
        settlements,
        repeats,
        late,
        taken_over,
        abandoned,
        silent,
        waits,
        duplicates,
    } = sum;
    for (what, count) in [
        ("crashes", crashes),
        ("leads", leads),
        ("sold", sold),
        ("interrupted", interrupted),
        ("settlements", settlements),
        ("repeats", repeats),
        ("late accepts", late),
        ("taken over", taken_over),
        ("abandoned legs", abandoned),
        ("silent buyers", silent),
        ("leads that waited for another", waits),
        ("duplicates", duplicates),
    ] {
        assert!(count >= (SEEDS.end - SEEDS.start) / 10, "{count} {what}");
    }
}
