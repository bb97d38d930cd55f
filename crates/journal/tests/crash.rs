//! A process that dies: what it had acknowledged is there afterwards. The test starts itself as the
//! process that is killed; a variable in the environment says so.
#![expect(
    clippy::disallowed_methods,
    reason = "the child's role and directory come by variable"
)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use journal::{Ack, Journal, Options, Space, Syncs};

const DIR: &str = "JOURNAL_CRASH_DIR";
/// Set if the thread that writes is to sync as well.
const WRITING: &str = "JOURNAL_CRASH_WRITING";
const TASKS: u16 = 16;

fn options() -> Options {
    Options {
        segment_bytes: 64 << 10,
        reserve_bytes: 0,
        syncs: match std::env::var_os(WRITING) {
            Some(_) => Syncs::Writing,
            None => Syncs::Beside,
        },
        ..Options::default()
    }
}

fn text(first: u64, task: u16, number: u64) -> String {
    format!(
        "{first}/{task}/{number}/{}",
        "x".repeat((number % 97) as usize)
    )
}

/// Appends until it is killed, and says on stdout what was acknowledged.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let (journal, opened) = Journal::open(Path::new(&dir), options()).unwrap();
    let first = opened.ends.iter().sum::<u64>();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let journal = std::sync::Arc::new(journal);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let journal = std::sync::Arc::clone(&journal);
        tasks.spawn_on(
            async move {
                for number in 0.. {
                    let lane = task % 4;
                    let ack = if task < TASKS / 2 {
                        Ack::Kernel
                    } else {
                        Ack::Durable
                    };
                    let payload = text(first, task, number);
                    let bytes = Bytes::from(payload.clone());
                    let appended = journal.append(lane, bytes, ack, Space::Admit).unwrap();
                    let offset = appended.await.unwrap();
                    let line = format!("ack {lane} {offset} {payload}\n");
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            },
            runtime.handle(),
        );
    }
    runtime.block_on(tasks.join_next());
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut told = HashMap::new();
    for (round, lines) in [1, 40, 700, 5000, 200, 5000, 300].into_iter().enumerate() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "child", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped());
        if round % 2 == 1 {
            child.env(WRITING, "1");
        }
        let mut child = child.spawn().unwrap();
        let mut seen = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).split(b'\n') {
            let line = String::from_utf8(line.unwrap()).unwrap();
            // The line that the kill cut short is missing its end: its offset and text may be too.
            let parts: Vec<_> = line.splitn(4, ' ').collect();
            if let ["ack", lane, offset, payload] = parts[..] {
                let place: (u16, u64) = (lane.parse().unwrap(), offset.parse().unwrap());
                assert_eq!(
                    told.insert(place, payload.to_owned()),
                    None,
                    "{place:?} given twice"
                );
                seen += 1;
                if seen == lines {
                    child.kill().unwrap();
                }
            }
        }
        assert!(seen >= lines);
        child.wait().unwrap();

        let (journal, _) = Journal::open(dir.path(), options()).unwrap();
        let mut reader = journal.reader(vec![0; 4]).unwrap();
        let mut kept = HashMap::new();
        while let Some(records) = reader.next_now(1 << 20).unwrap() {
            for record in records {
                kept.insert((record.lane, record.offset), record.payload);
            }
        }
        for (place, payload) in &told {
            let found = kept.get(place).map(|bytes| String::from_utf8_lossy(bytes));
            assert_eq!(
                found.as_deref(),
                Some(payload.as_str()),
                "{place:?} of {}",
                told.len()
            );
        }
    }
}

/// The shell limits the size of files, so that a write fails (EFBIG) as it would on a full disk.
#[test]
fn a_failed_write_ends_the_process_and_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new("sh")
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 40; ulimit -c 0; exec \"$0\" --exact child --nocapture")
        .arg(std::env::current_exe().unwrap())
        .env(DIR, dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(6), "aborted: {status}\n{said}");
    assert!(
        said.contains("journal failed") && said.contains("0000000000000001.seg"),
        "{said}"
    );
    let (journal, _) = Journal::open(dir.path(), options()).unwrap();
    assert!(journal.ends().iter().sum::<u64>() > 0);
}
