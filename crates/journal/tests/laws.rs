//! Laws of the log, over random histories: what was appended comes back, a crash costs only what was
//! never synced, damage to what was synced is never passed over.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first surprise"
)]

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use journal::{Ack, Journal, OpenError, Options, ReadError, Record, Space, Syncs};
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

const LANES: u16 = 3;
const HEADER: usize = 24 + 8 * LANES as usize;
const FRAME: usize = 16;

/// Records of one append: lane and payload length.
type Group = Vec<(u16, usize)>;

fn options() -> Options {
    Options {
        lanes: LANES,
        segment_bytes: 700,
        // Unsynced unless an append waits for it.
        sync_within: Duration::from_secs(3600),
        reserve_bytes: 0,
        ..Options::default()
    }
}

/// Synced by either thread.
fn syncing(syncs: Syncs) -> Options {
    Options { syncs, ..options() }
}

fn syncs() -> impl Strategy<Value = Syncs> {
    prop_oneof![Just(Syncs::Writing), Just(Syncs::Beside)]
}

fn groups(most: usize) -> impl Strategy<Value = Vec<(Group, bool)>> {
    vec((vec((0..LANES, 0..90usize), 1..4), any::<bool>()), 0..most)
}

/// What a lane holds, by offset, and the same in the order of the stream.
#[derive(Default, Clone)]
struct Model {
    stream: Vec<Record>,
    ends: [u64; LANES as usize],
}

impl Model {
    fn add(&mut self, group: &Group) -> Vec<(u16, Bytes)> {
        let mut records = Vec::new();
        for &(lane, length) in group {
            let end = &mut self.ends[usize::from(lane)];
            let payload: Bytes = vec![(self.stream.len() % 251) as u8; length].into();
            self.stream.push(Record {
                lane,
                offset: *end,
                payload: payload.clone(),
            });
            *end += 1;
            records.push((lane, payload));
        }
        records
    }

    fn of(stream: &[Record]) -> Self {
        let mut ends = [0; LANES as usize];
        for record in stream {
            ends[usize::from(record.lane)] += 1;
        }
        Self {
            stream: stream.to_vec(),
            ends,
        }
    }
}

fn append(
    runtime: &tokio::runtime::Runtime,
    journal: &Journal,
    model: &mut Model,
    group: &Group,
    ack: Ack,
) {
    let records = model.add(group);
    let last = model.stream.last().unwrap().offset;
    let appended = match &records[..] {
        [(lane, payload)] => journal.append(*lane, payload.clone(), ack, Space::Admit),
        _ => journal.append_all(records, ack, Space::Admit),
    };
    assert_eq!(runtime.block_on(appended.unwrap()), Ok(last));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

fn read_all(journal: &Journal, from: Vec<u64>, max_bytes: usize) -> Vec<Record> {
    let mut reader = journal.reader(from).unwrap();
    let mut all = Vec::new();
    while let Some(records) = reader.next_now(max_bytes).unwrap() {
        assert!(!records.is_empty());
        all.extend(records);
    }
    all
}

/// The directory as a killed process would leave it.
fn image(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    paths.sort();
    paths
}

/// The frames of a segment file up to its runway, and whether each ends an append.
fn frames(bytes: &[u8]) -> Vec<(Range<usize>, bool)> {
    let mut frames = Vec::new();
    let mut start = HEADER;
    while bytes
        .get(start..start + FRAME)
        .is_some_and(|head| head != [0; FRAME])
    {
        let length = u32::from_le_bytes(bytes[start + 4..start + 8].try_into().unwrap());
        let end = start + FRAME + length as usize;
        frames.push((start..end, bytes[start + 15] & 0x80 == 0));
        start = end;
    }
    frames
}

/// Where the frames of a segment file end.
fn written(bytes: &[u8]) -> usize {
    frames(bytes).last().map_or(HEADER, |(range, _)| range.end)
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Truncate,
    Flip(u8),
    /// A page that never reached the disk, with valid frames after it.
    Zero(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::Truncate),
        (0..8u8).prop_map(Damage::Flip),
        (1..300usize).prop_map(Damage::Zero),
    ]
}

/// Damages `bytes` from `at` on; gives where the first byte really changed.
fn apply(bytes: &mut Vec<u8>, at: usize, damage: Damage) -> Option<usize> {
    match damage {
        Damage::Truncate => {
            bytes.truncate(at);
            Some(at)
        }
        Damage::Flip(bit) => {
            bytes[at] ^= 1 << bit;
            Some(at)
        }
        Damage::Zero(length) => {
            let end = bytes.len().min(at + length);
            let changed = bytes[at..end].iter().position(|byte| *byte != 0);
            bytes[at..end].fill(0);
            changed.map(|changed| at + changed)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_was_appended_comes_back(
        sessions in vec(groups(25), 1..5),
        max_bytes in 1..3000usize,
        from in vec(0..30u64, LANES as usize),
        syncs in syncs(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let runtime = runtime();
        let mut model = Model::default();
        for session in &sessions {
            let (journal, opened) = Journal::open(dir.path(), syncing(syncs)).unwrap();
            prop_assert_eq!(opened.cut_bytes, 0);
            prop_assert_eq!(&opened.ends, &model.ends);
            for (group, durable) in session {
                let ack = if *durable { Ack::Durable } else { Ack::Kernel };
                append(&runtime, &journal, &mut model, group, ack);
            }
            prop_assert_eq!(journal.ends(), model.ends);
            prop_assert_eq!(&read_all(&journal, vec![0; LANES.into()], max_bytes), &model.stream);
            let wanted = |record: &&Record| record.offset >= from[usize::from(record.lane)];
            let expected: Vec<_> = model.stream.iter().filter(wanted).cloned().collect();
            prop_assert_eq!(read_all(&journal, from.clone(), max_bytes), expected);
        }
    }

    #[test]
    fn a_damaged_tail_costs_only_what_was_never_synced(
        synced in groups(20),
        unsynced in groups(20),
        place in any::<prop::sample::Index>(),
        damage in damage(),
        syncs in syncs(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let runtime = runtime();
        let mut model = Model::default();
        let (journal, _) = Journal::open(dir.path(), syncing(syncs)).unwrap();
        for (group, _) in &synced {
            append(&runtime, &journal, &mut model, group, Ack::Durable);
        }
        let safe = model.stream.len();
        // All that lies on disk now is synced: what the damage may not touch.
        let before: Vec<_> = segments(dir.path());
        let before_length = written(&fs::read(before.last().unwrap()).unwrap());
        if safe > 0 {
            let damaged = image(dir.path());
            let file = segments(damaged.path()).pop().unwrap();
            let mut bytes = fs::read(&file).unwrap();
            bytes[before_length - 1] ^= 1;
            fs::write(&file, bytes).unwrap();
            let refused = Journal::open(damaged.path(), options());
            prop_assert!(refused.is_err(), "a durable append is before the mark");
        }
        for (group, _) in &unsynced {
            append(&runtime, &journal, &mut model, group, Ack::Kernel);
        }
        let crashed = image(dir.path());
        drop(journal);

        // One place among all bytes after the mark, headers of new segments and runways included.
        let paths = segments(crashed.path());
        let mut places = Vec::new();
        for (index, path) in paths.iter().enumerate().skip(before.len() - 1) {
            let start = if index + 1 == before.len() { before_length } else { 0 };
            places.extend((start..fs::metadata(path).unwrap().len() as usize).map(|at| (index, at)));
        }
        let mut kept = model.stream.len();
        if !places.is_empty() {
            let (index, at) = places[place.index(places.len())];
            kept = 0;
            let mut whole = 0;
            for path in &paths[..index] {
                whole += frames(&fs::read(path).unwrap()).len();
            }
            let mut bytes = fs::read(&paths[index]).unwrap();
            let layout = frames(&bytes);
            if let Some(changed) = apply(&mut bytes, at, damage) {
                kept += whole;
                let ends = layout.iter().take_while(|(range, _)| range.end <= changed);
                let (mut seen, mut last) = (0, 0);
                for (_, ends_group) in ends {
                    seen += 1;
                    if *ends_group { last = seen; }
                }
                kept += last;
            } else {
                kept = model.stream.len();
            }
            fs::write(&paths[index], bytes).unwrap();
        }
        prop_assert!(kept >= safe);

        let mut left = Model::of(&model.stream[..kept]);
        let (journal, opened) = Journal::open(crashed.path(), options()).unwrap();
        prop_assert_eq!(&opened.ends, &left.ends);
        prop_assert_eq!(&read_all(&journal, vec![0; LANES.into()], 500), &left.stream);
        // It goes on from there, and the next start has nothing to repair.
        append(&runtime, &journal, &mut left, &vec![(1, 5), (2, 6)], Ack::Durable);
        drop(journal);
        let (journal, opened) = Journal::open(crashed.path(), options()).unwrap();
        prop_assert_eq!(opened.cut_bytes, 0);
        prop_assert_eq!(&read_all(&journal, vec![0; LANES.into()], 500), &left.stream);
    }

    #[test]
    fn damage_before_the_mark_is_never_passed_over(
        history in groups(40),
        place in any::<prop::sample::Index>(),
        damage in damage(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let runtime = runtime();
        let mut model = Model::default();
        let (journal, _) = Journal::open(dir.path(), options()).unwrap();
        for (group, _) in &history {
            append(&runtime, &journal, &mut model, group, Ack::Kernel);
        }
        drop(journal);

        let paths = segments(dir.path());
        let file = &paths[place.index(paths.len())];
        let mut bytes = fs::read(file).unwrap();
        let layout = frames(&bytes);
        let at = place.index(bytes.len());
        let changed = apply(&mut bytes, at, damage);
        fs::write(file, &bytes).unwrap();
        let Some(changed) = changed else { return Ok(()) };
        let frame = layout.iter().find(|(range, _)| range.contains(&changed));
        let bad = frame.map_or(0, |(range, _)| range.start) as u64;

        match Journal::open(dir.path(), options()) {
            Err(OpenError::Corrupt { file: named, offset, synced }) => {
                prop_assert_eq!(&named, file);
                prop_assert_eq!(offset, bad);
                prop_assert!(offset < synced);
            }
            Err(OpenError::Version { file: named, .. } | OpenError::Lanes { file: named, .. }) => {
                prop_assert_eq!(&named, file);
                prop_assert!(changed < HEADER);
            }
            Err(error) => prop_assert!(false, "{error}"),
            Ok((journal, _)) => {
                // An older segment is checked when it is read.
                prop_assert!(file != paths.last().unwrap());
                let mut reader = journal.reader(vec![0; LANES.into()]).unwrap();
                let mut read = Vec::new();
                let error = loop {
                    match reader.next_now(1000) {
                        Ok(records) => read.extend(records.unwrap()),
                        Err(error) => break error,
                    }
                };
                prop_assert_eq!(&read, &model.stream[..read.len()]);
                let ReadError::Corrupt { file: named, offset } = error else {
                    panic!("{error}");
                };
                prop_assert_eq!(&named, file);
                prop_assert_eq!(offset, bad);
            }
        }
    }
}
