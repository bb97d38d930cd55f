//! What the journal does on this disk: acknowledgements per second and their latency with 1024 in
//! flight, at 2,000/s from an open loop, and how long a reopen takes with a million records. Each
//! run starts with the floor of the disk: one thread that writes and syncs.
//!
//! `cargo bench -p benches --bench journal` (an argument names the directory to work in).
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on stops")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use journal::{Ack, Journal, Options, Space};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

const PAYLOAD: usize = 300;
const IN_FLIGHT: u64 = 1024;
const RUNS: usize = 5;

fn main() {
    let root = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let root = root.map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(root).expect("a directory to work in");
    for run in 0..RUNS {
        raw(&dir.path().join("raw"));
        for ack in [Ack::Durable, Ack::Kernel] {
            window(&dir.path().join(format!("window-{run}-{ack:?}")), ack);
        }
        for ack in [Ack::Durable, Ack::Kernel] {
            open_loop(&dir.path().join(format!("open-{run}-{ack:?}")), ack);
        }
        reopen(&dir.path().join(format!("reopen-{run}")));
    }
}

fn open(dir: &Path) -> Journal {
    Journal::open(
        dir,
        Options {
            reserve_bytes: 0,
            ..Options::default()
        },
    )
    .expect("a journal")
    .0
}

/// The floor: one thread that writes a record and syncs it, with nothing around it.
fn raw(path: &Path) {
    let mut file = std::fs::File::create(path).expect("a file");
    let started = Instant::now();
    let times: Vec<_> = (0..2000)
        .map(|_| {
            let sent = Instant::now();
            file.write_all(&[7; PAYLOAD])
                .and_then(|()| file.sync_data())
                .expect("a sync");
            sent.elapsed()
        })
        .collect();
    report("raw write and fdatasync", &times, started.elapsed());
}

/// 1024 tasks on one thread, each with one append under way.
fn window(dir: &Path, ack: Ack) {
    const TOTAL: u64 = 1_000_000;
    let journal = Rc::new(open(dir));
    let payload = Bytes::from(vec![7; PAYLOAD]);
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let local = LocalSet::new();
    let started = Instant::now();
    let tasks: Vec<_> = (0..IN_FLIGHT)
        .map(|task| {
            let (journal, payload) = (Rc::clone(&journal), payload.clone());
            local.spawn_local(async move {
                let mut times = Vec::new();
                for number in 0..TOTAL / IN_FLIGHT {
                    let lane = ((task + number) % 4) as u16;
                    let sent = Instant::now();
                    let appended = journal.append(lane, payload.clone(), ack, Space::Admit);
                    appended.expect("room").await.expect("an acknowledgement");
                    times.push(sent.elapsed());
                }
                times
            })
        })
        .collect();
    let times = local.block_on(&runtime, async {
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.expect("a task"));
        }
        all
    });
    report(
        &format!("{IN_FLIGHT} in flight, {ack:?}"),
        &times,
        started.elapsed(),
    );
}

/// 2,000 a second, whether or not the ones before are acknowledged.
fn open_loop(dir: &Path, ack: Ack) {
    const RATE: u32 = 2000;
    const TOTAL: u32 = 3 * RATE;
    let journal = Arc::new(open(dir));
    let payload = Bytes::from(vec![7; PAYLOAD]);
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("a runtime");
    let started = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..TOTAL {
        let due = started + Duration::from_secs(1) * number / RATE;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let appended = journal
            .append((number % 4) as u16, payload.clone(), ack, Space::Admit)
            .expect("room");
        tasks.push(runtime.spawn(async move {
            appended.await.expect("an acknowledgement");
            due.elapsed()
        }));
    }
    let times = runtime.block_on(async {
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.await.expect("a task"));
        }
        all
    });
    report(
        &format!("{RATE}/s open loop, {ack:?}"),
        &times,
        started.elapsed(),
    );
}

fn report(what: &str, times: &[Duration], took: Duration) {
    let mut histogram = Histogram::<u64>::new(3).expect("three digits");
    for time in times {
        histogram
            .record(time.as_nanos() as u64)
            .expect("a histogram that grows");
    }
    let micros = |quantile| histogram.value_at_quantile(quantile) / 1000;
    println!(
        "{what}: {:.0} acks/s, p50 {} us, p99 {} us, p99.9 {} us, max {} us",
        times.len() as f64 / took.as_secs_f64(),
        micros(0.5),
        micros(0.99),
        micros(0.999),
        micros(1.0),
    );
}

/// A million records, then the directory as a kill would leave it.
fn reopen(dir: &Path) {
    const RECORDS: u64 = 1_048_576;
    let journal = open(dir);
    let payload = Bytes::from(vec![7; PAYLOAD]);
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    for first in (0..RECORDS).step_by(IN_FLIGHT as usize) {
        let batch = (first..first + IN_FLIGHT)
            .map(|n| ((n % 4) as u16, payload.clone()))
            .collect();
        let appended = journal
            .append_all(batch, Ack::Kernel, Space::Admit)
            .expect("room");
        runtime.block_on(appended).expect("an acknowledgement");
    }
    let image = dir.with_extension("killed");
    std::fs::create_dir(&image).expect("a directory");
    for file in std::fs::read_dir(dir).expect("files") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), image.join(file.file_name())).expect("a copy");
    }
    // What the copy left dirty in the page cache is not what a reopen has to wait for.
    for file in std::fs::read_dir(&image).expect("files") {
        std::fs::File::open(file.expect("a file").path())
            .and_then(|file| file.sync_all())
            .expect("a sync");
    }
    let started = Instant::now();
    let (reopened, opened) = Journal::open(&image, Options::default()).expect("a journal");
    let took = started.elapsed();
    let started = Instant::now();
    let mut reader = reopened.reader(vec![0; 4]).expect("a reader");
    let mut read = 0;
    while let Some(records) = reader.next_now(1 << 20).expect("records") {
        read += records.len();
    }
    println!(
        "reopen of {} records in {} segments: {:.1} ms ({} MiB checked); read all: {:.0} records/s",
        opened.ends.iter().sum::<u64>(),
        opened.segments,
        took.as_secs_f64() * 1e3,
        opened.checked_bytes >> 20,
        read as f64 / started.elapsed().as_secs_f64(),
    );
    drop((journal, reopened));
    for dir in [dir, &image] {
        std::fs::remove_dir_all(dir).expect("cleaning up");
    }
}
