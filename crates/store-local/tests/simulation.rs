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
    /// The log's mark when a record was last acknowledged as durable, and so on disk by then.
    synced: Vec<u8>,
    /// Power cuts that took something.
    cuts: u64,
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
        let mut disk = Self {
            store: Some(store),
            dir,
            clock: clock.clone(),
            options,
            synced: Vec::new(),
            cuts: 0,
        };
        disk.synced();
        disk
    }

    fn leads(&self) -> PathBuf {
        self.dir.path().join("leads")
    }

    /// Where the log's segments end, by their number.
    fn ends(&self) -> BTreeMap<u64, (PathBuf, u64)> {
        let mut ends = BTreeMap::new();
        for entry in fs::read_dir(self.leads()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "seg") {
                let number = path.file_stem().unwrap().to_str().unwrap();
                let length = fs::metadata(&path).unwrap().len();
                ends.insert(number.parse().unwrap(), (path, length));
            }
        }
        ends
    }

    /// The log's own mark of what is on disk.
    fn mark(&self) -> Vec<u8> {
        fs::read(self.leads().join("synced")).unwrap()
    }

    /// Takes a part of what came after the mark, the end of it first. The log is closed, so its files end with their
    /// last record.
    fn cut_power(&mut self, entropy: &SeededEntropy) {
        let (segment, position) = place(&self.synced);
        let after: Vec<_> = self
            .ends()
            .split_off(&segment)
            .into_iter()
            .map(|(number, (path, end))| match number == segment {
                true => (path, position, end.checked_sub(position).unwrap()),
                false => (path, 0, end),
            })
            .collect();
        let unsynced: u64 = after.iter().map(|(_, _, length)| length).sum();
        let mut kept = entropy.below(unsynced + 1);
        self.cuts += u64::from(kept < unsynced);
        for (path, from, length) in after {
            let stays = length.min(kept);
            kept -= stays;
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(from + stays).unwrap();
        }
        fs::write(self.leads().join("synced"), &self.synced).unwrap();
    }
}

/// The segment and the position that a mark names: the later of its two slots.
fn place(mark: &[u8]) -> (u64, u64) {
    let number = |at: usize| {
        let bytes = mark.get(at..at + 8).map(|bytes| bytes.try_into().unwrap());
        u64::from_le_bytes(bytes.unwrap_or_default())
    };
    let slots = [0, 512].map(|slot| (number(slot), number(slot + 8)));
    slots[0].max(slots[1])
}

impl Machine for Disk {
    type Backend = Local;

    fn store(&self) -> Local {
        self.store.clone().unwrap()
    }

    fn synced(&mut self) {
        self.synced = self.mark();
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
        self.store = Some(Local::open(self.options.clone(), self.clock.port()).unwrap());
        // What was found is synced before anybody builds on it.
        self.synced();
    }

    async fn housekeep(&mut self) {
        self.store().snapshot().await.unwrap();
    }
}

async fn simulate(seed: u64) -> (Tally, u64) {
    // Far ahead of the files' own times, which decide what is old enough to be cut.
    let clock = FakeClock::new(Timestamp::from_micros(4_102_488_000_000_000));
    let mut disk = Disk::new(&clock, seed);
    // Some processes live long enough to be late with everything.
    let plan = Plan {
        crash_in: 60 + seed % 3 * 120,
        ..Plan::default()
    };
    let tally = run(&mut disk, &clock, seed, &plan).await;
    (tally, disk.cuts)
}

#[test]
fn leads_end_once_whatever_crashes() {
    let (mut sum, mut power_cuts) = (Tally::default(), 0);
    for seed in SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let ran = std::panic::catch_unwind(|| runtime.block_on(simulate(seed)));
        let (tally, cuts) = ran.unwrap_or_else(|_| panic!("seed {seed}"));
        power_cuts += cuts;
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
    println!("{sum:?}, {power_cuts} power cuts took something");
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
        ("power cuts that took something", power_cuts),
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
