//! The handle and its readers, one behaviour at a time.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first surprise"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use journal::{
    Ack, AppendError, Journal, OnFailure, OpenError, Options, ReadError, Record, Space, Syncs,
};

const FAR: i64 = i64::MAX;

fn options() -> Options {
    Options {
        lanes: 2,
        segment_bytes: 4096,
        reserve_bytes: 0,
        ..Options::default()
    }
}

fn open(dir: &Path) -> Journal {
    Journal::open(dir, options()).unwrap().0
}

fn payload(number: u64) -> Bytes {
    Bytes::from(format!("{number:0100}"))
}

async fn append(journal: &Journal, lane: u16, number: u64, ack: Ack) -> u64 {
    journal
        .append(lane, payload(number), ack, Space::Admit)
        .unwrap()
        .await
        .unwrap()
}

async fn collect(reader: &mut journal::Reader, count: usize) -> Vec<Record> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(reader.next(700).await.unwrap().unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_follow_the_writer_over_segments() {
    const EACH: u64 = 3000;
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let write = |lane: u16, ack: Ack| {
        let journal = &journal;
        async move {
            for number in 0..EACH {
                assert_eq!(append(journal, lane, number, ack).await, number);
            }
        }
    };
    let mut all = journal.reader(vec![0, 0]).unwrap();
    let mut one = journal.reader(vec![u64::MAX, 500]).unwrap();
    let work = async {
        tokio::join!(
            collect(&mut all, 2 * EACH as usize),
            collect(&mut one, EACH as usize - 500),
            write(0, Ack::Kernel),
            write(1, Ack::Durable),
        )
    };
    let work = tokio::time::timeout(Duration::from_secs(600), work).await;
    let (all, one, (), ()) = work.expect("nobody is forgotten");
    for lane in 0..2 {
        let of_lane = all.iter().filter(|record| record.lane == lane);
        for (number, record) in of_lane.enumerate() {
            assert_eq!(
                (record.offset, &record.payload),
                (number as u64, &payload(number as u64))
            );
        }
    }
    let wanted: Vec<_> = all
        .into_iter()
        .filter(|record| record.lane == 1 && record.offset >= 500)
        .collect();
    assert_eq!(one, wanted);
    assert!(fs::read_dir(dir.path()).unwrap().count() > 50);
}

#[tokio::test]
async fn a_waiting_reader_ends_with_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    append(&journal, 0, 1, Ack::Kernel).await;
    let mut reader = journal.reader(vec![0, 0]).unwrap();
    assert_eq!(reader.next(1000).await.unwrap().unwrap().len(), 1);
    assert_eq!(reader.next_now(1000).unwrap(), None);
    let queued = journal
        .append(1, payload(2), Ack::Durable, Space::Admit)
        .unwrap();
    let (next, ()) = tokio::join!(reader.next(1000), async { journal.close() });
    assert_eq!(next.unwrap().unwrap().len(), 1);
    assert_eq!(queued.await, Ok(0), "what was queued is written");
    assert_eq!(reader.next(1000).await.unwrap(), None);
    let refused = journal.append(0, payload(3), Ack::Kernel, Space::Admit);
    assert_eq!(refused.unwrap_err(), AppendError::Closed);
    // The directory is free while the old handle still exists.
    assert_eq!(open(dir.path()).ends(), [1, 1]);
}

#[tokio::test]
async fn a_kernel_append_is_synced_without_anybody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let mark = || fs::read(dir.path().join("synced")).unwrap();
    let before = mark();
    append(&journal, 0, 1, Ack::Kernel).await;
    let synced = async {
        while mark() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), synced)
        .await
        .unwrap();
}

#[tokio::test]
async fn trim_takes_whole_old_passed_segments_only() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    for number in 0..300 {
        append(&journal, (number % 2) as u16, number / 2, Ack::Durable).await;
    }
    let mut early = journal.reader(vec![0, 0]).unwrap();
    early.next(1).await.unwrap();
    assert_eq!(journal.trim(&[150, 150], 0).unwrap(), 0, "too young");
    assert_eq!(
        journal.trim(&[150, 0], FAR).unwrap(),
        0,
        "one lane still needs them"
    );
    assert!(journal.trim(&[60, 70], FAR).unwrap() > 0);
    let starts = journal.starts();
    assert!(
        (1..=60).contains(&starts[0]) && (1..=70).contains(&starts[1]),
        "{starts:?}"
    );

    let first = journal
        .reader(starts.clone())
        .unwrap()
        .next_now(1)
        .unwrap()
        .unwrap();
    assert_eq!(first[0].offset, starts[usize::from(first[0].lane)]);
    let gone = journal.reader(vec![0, 100]).unwrap_err();
    assert!(
        matches!(gone, ReadError::Trimmed { lane: 0, asked: 0, start } if start == starts[0]),
        "{gone}"
    );
    // A reader inside a deleted segment reads it to its end, then hears that the next is gone.
    let error = loop {
        match early.next(4096).await {
            Ok(records) => assert!(records.is_some()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ReadError::Trimmed { .. }), "{error}");

    assert!(journal.trim(&[150, 150], FAR).unwrap() > 0);
    assert_eq!(
        journal.trim(&[150, 150], FAR).unwrap(),
        0,
        "the one being written stays"
    );
    append(&journal, 0, 150, Ack::Durable).await;
    let starts = journal.starts();
    drop(journal);
    let (journal, opened) = Journal::open(dir.path(), options()).unwrap();
    assert_eq!((opened.starts, opened.ends), (starts, vec![151, 150]));
    assert_eq!(append(&journal, 1, 150, Ack::Kernel).await, 150);
}

#[tokio::test]
async fn a_reader_that_needs_nothing_of_a_deleted_segment_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    append(&journal, 0, 0, Ack::Durable).await;
    let mut reader = journal.reader(vec![0, u64::MAX]).unwrap();
    assert_eq!(reader.next(1000).await.unwrap().unwrap().len(), 1);
    for number in 0..200 {
        append(&journal, 1, number, Ack::Durable).await;
    }
    assert!(journal.trim(&[1, 200], FAR).unwrap() > 2);
    append(&journal, 0, 1, Ack::Durable).await;
    let records = reader.next(1000).await.unwrap().unwrap();
    assert_eq!((records[0].lane, records[0].offset), (0, 1));
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        max_record: 100,
        queue_bytes: 250,
        ..options()
    };
    let (journal, _) = Journal::open(dir.path(), small).unwrap();
    let admit = |lane, length| {
        let payload = Bytes::from(vec![0; length]);
        journal
            .append(lane, payload, Ack::Kernel, Space::Admit)
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(admit(2, 1), AppendError::NoLane);
    assert_eq!(admit(0, 101), AppendError::TooLarge);
    let all = |records: Vec<_>| {
        journal
            .append_all(records, Ack::Kernel, Space::Admit)
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(all(Vec::new()), AppendError::Empty);
    assert_eq!(
        all(vec![(0, Bytes::from(vec![0; 100])); 3]),
        AppendError::TooLarge
    );
    assert_eq!(
        all(vec![(0, payload(1)), (9, payload(1))]),
        AppendError::NoLane
    );
    assert_eq!(journal.ends(), [0, 0]);
    assert_eq!(append(&journal, 1, 5, Ack::Durable).await, 0);
}

#[tokio::test]
async fn below_the_reserve_only_what_was_begun_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let stat = rustix::fs::statvfs(dir.path()).unwrap();
    let free = stat.f_bavail * stat.f_frsize;
    // Reserve, whether new work and begun work may go on.
    for (reserve, admit, finish) in [
        (free / 4, true, true),
        (free * 4, false, true),
        (u64::MAX, false, false),
    ] {
        let options = Options {
            reserve_bytes: reserve,
            ..options()
        };
        let (journal, _) = Journal::open(dir.path(), options).unwrap();
        for (space, allowed) in [(Space::Admit, admit), (Space::Reserve, finish)] {
            let answer = match journal.append(0, payload(1), Ack::Durable, space) {
                Ok(appended) => appended.await,
                Err(error) => Err(error),
            };
            assert_eq!(answer.is_ok(), allowed, "{reserve} {space:?}");
            assert!(allowed || answer == Err(AppendError::NoSpace));
            assert_eq!(journal.has_space(space), allowed);
        }
    }
}

#[tokio::test]
async fn a_directory_has_one_owner_and_keeps_its_lanes() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let refused = Journal::open(dir.path(), options()).unwrap_err();
    let OpenError::Locked { holder, .. } = &refused else {
        panic!("{refused}")
    };
    assert_eq!(*holder, format!("process {}", std::process::id()));
    drop(journal);
    let other = Options {
        lanes: 3,
        ..options()
    };
    let refused = Journal::open(dir.path(), other).unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::Lanes {
                found: 2,
                asked: 3,
                ..
            }
        ),
        "{refused}"
    );
    let none = Options {
        lanes: 0,
        ..options()
    };
    assert!(matches!(
        Journal::open(dir.path(), none),
        Err(OpenError::LaneCount { .. })
    ));
}

#[tokio::test]
async fn lost_segments_and_marks_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    for number in 0..200 {
        append(&journal, 0, number, Ack::Durable).await;
    }
    drop(journal);
    let name = |sequence: u64| dir.path().join(format!("{sequence:016}.seg"));
    // Without its mark a journal is read from the start.
    fs::remove_file(dir.path().join("synced")).unwrap();
    let (journal, opened) = Journal::open(dir.path(), options()).unwrap();
    assert_eq!((opened.ends[0], opened.cut_bytes), (200, 0));
    let segments = opened.segments as u64;
    assert!(opened.checked_bytes > 200 * 100 && segments > 3);
    drop(journal);
    let (journal, opened) = Journal::open(dir.path(), options()).unwrap();
    assert!(
        opened.checked_bytes <= 4096 + 200,
        "only the last segment is read"
    );
    drop(journal);

    for lost in [2, segments] {
        let kept = fs::read(name(lost)).unwrap();
        fs::remove_file(name(lost)).unwrap();
        let refused = Journal::open(dir.path(), options()).unwrap_err();
        assert!(
            matches!(&refused, OpenError::Missing { file } if *file == name(lost)),
            "{refused}"
        );
        fs::write(name(lost), kept).unwrap();
    }
    assert_eq!(open(dir.path()).ends(), [200, 0]);
}

/// A block of the disk may come back with what it held before: a valid frame, in the wrong place.
#[tokio::test]
async fn a_stale_frame_after_the_mark_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let unsynced = Options {
        sync_within: Duration::from_secs(3600),
        ..options()
    };
    let (journal, _) = Journal::open(dir.path(), unsynced).unwrap();
    for number in 0..3 {
        append(&journal, 0, number, Ack::Kernel).await;
    }
    let crashed = tempfile::tempdir().unwrap();
    for name in ["synced", "0000000000000001.seg"] {
        fs::copy(dir.path().join(name), crashed.path().join(name)).unwrap();
    }
    let file = crashed.path().join("0000000000000001.seg");
    let mut bytes = fs::read(&file).unwrap();
    let (start, frame) = (24 + 8 * 2, 16 + 100);
    bytes.copy_within(start..start + frame, start + frame);
    fs::write(&file, bytes).unwrap();
    let (journal, opened) = Journal::open(crashed.path(), options()).unwrap();
    assert_eq!(
        (opened.ends, opened.cut_bytes),
        (vec![1, 0], 2 * frame as u64)
    );
    assert_eq!(append(&journal, 0, 1, Ack::Durable).await, 1);
}

/// Cuts segment 2 in a copy of `dir` behind its first frame, where every frame left still reads.
fn cut_between_frames(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let file = fs::OpenOptions::new()
        .write(true)
        .open(copy.path().join("0000000000000002.seg"));
    file.unwrap().set_len(24 + 8 * 2 + 16 + 100).unwrap();
    copy
}

#[tokio::test]
async fn a_segment_that_ends_between_two_frames_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let unsynced = Options {
        sync_within: Duration::from_secs(3600),
        ..options()
    };
    let (journal, _) = Journal::open(dir.path(), unsynced).unwrap();
    for number in 0..200 {
        append(&journal, 0, number, Ack::Kernel).await;
    }
    let crashed = cut_between_frames(dir.path());
    drop(journal);
    let in_first = 35;
    let (_journal, opened) = Journal::open(crashed.path(), options()).unwrap();
    assert_eq!(
        (opened.segments, opened.ends),
        (2, vec![in_first + 1, 0]),
        "later ones are cut"
    );

    let damaged = cut_between_frames(dir.path());
    let (journal, opened) = Journal::open(damaged.path(), options()).unwrap();
    assert_eq!(opened.ends, [200, 0]);
    let mut reader = journal.reader(vec![0, 0]).unwrap();
    let mut read = 0;
    let error = loop {
        match reader.next_now(1 << 20) {
            Ok(records) => read += records.expect("not the end").len() as u64,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ReadError::Corrupt { offset, .. } if offset == 24 + 8 * 2 + 116));
    assert_eq!(read, in_first + 1);
}

/// The syncer would not come by for an hour: what waits for the disk was synced by the writer, and takes
/// with it what does not wait.
#[tokio::test]
async fn the_writer_syncs_for_those_who_wait() {
    let dir = tempfile::tempdir().unwrap();
    let writing = Options {
        sync_within: Duration::from_secs(3600),
        syncs: Syncs::Writing,
        ..options()
    };
    let (journal, _) = Journal::open(dir.path(), writing).unwrap();
    for round in 0..50 {
        append(&journal, 0, 2 * round, Ack::Kernel).await;
        append(&journal, 1, 2 * round, Ack::Durable).await;
        assert_eq!(journal.durable_ends(), [round + 1, round + 1]);
    }
    append(&journal, 0, 100, Ack::Kernel).await;
    assert_eq!(journal.durable_ends(), [50, 50], "nobody waits");
    journal.close();
    assert_eq!(journal.durable_ends(), [51, 50]);
}

/// A directory that is gone fails the next segment's creation, as a broken disk would.
#[tokio::test]
async fn a_stopped_journal_answers_everybody() {
    for syncs in [Syncs::Writing, Syncs::Beside] {
        answers_everybody(syncs).await;
    }
}

async fn answers_everybody(syncs: Syncs) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("log");
    let stop = Options {
        on_failure: OnFailure::Stop,
        syncs,
        ..options()
    };
    let (journal, _) = Journal::open(&dir, stop).unwrap();
    append(&journal, 0, 0, Ack::Durable).await;
    fs::remove_dir_all(&dir).unwrap();
    let error = loop {
        match journal.append(0, payload(1), Ack::Durable, Space::Admit) {
            Ok(appended) => match appended.await {
                Ok(_) => {}
                Err(error) => break error,
            },
            Err(error) => break error,
        }
    };
    assert_eq!(error, AppendError::Failed);
    let refused = journal.append(0, payload(1), Ack::Kernel, Space::Admit);
    assert_eq!(refused.unwrap_err(), AppendError::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runway_is_laid_out_before_it_is_needed_and_cut_at_the_end() {
    const RUNWAY: u64 = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 16 << 20,
        runway_bytes: RUNWAY,
        ..options()
    };
    let (journal, _) = Journal::open(dir.path(), options).unwrap();
    let file = dir.path().join("0000000000000001.seg");
    let length = || fs::metadata(&file).unwrap().len();
    let until = async |least: u64| {
        let long_enough = async {
            while length() < least {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let laid = tokio::time::timeout(Duration::from_secs(60), long_enough).await;
        laid.unwrap_or_else(|_| panic!("{} bytes instead of {least}", length()));
    };
    let append = async |bytes: u64| {
        let record = Bytes::from(vec![7; bytes as usize]);
        let appended = journal.append(0, record, Ack::Durable, Space::Admit);
        appended.unwrap().await.unwrap();
    };
    let records = 2 * (RUNWAY / 3);
    until(RUNWAY).await;
    append(RUNWAY / 3).await;
    append(RUNWAY / 3).await;
    // At least half of it is ahead, or will be: more than was there at first.
    until(records + RUNWAY / 2).await;
    journal.close();
    assert!(
        (records..records + 200).contains(&length()),
        "the rest is cut: {}",
        length()
    );
}
