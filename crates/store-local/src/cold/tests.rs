//! Rows outlive the process, end in time, and are found.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::UNKNOWN;
use super::*;
use domain::Clock;
use testkit::FakeClock;

/// Rows that go past the buffer.
const MANY: usize = 500;
/// How long a part is written to.
const PART: Duration = Duration::from_secs(7 * 24 * 3600);
const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

fn open(dir: &Path, clock: &FakeClock) -> Result<Cold, OpenError> {
    open_at(dir, &StoreClock::new(clock.port()))
}

fn open_at(dir: &Path, clock: &StoreClock) -> Result<Cold, OpenError> {
    let sizes = Sizes {
        buffer: 1 << 20,
        cache: 1 << 20,
        many: MANY,
        part: PART,
    };
    Cold::open(dir, clock, sizes)
}

/// The part that is written to.
fn part(cold: &Cold, table: Table) -> Arc<Part> {
    let opened = cold.opened().unwrap();
    opened.current(table, cold.0.latest.get()).unwrap()
}

#[test]
fn rows_outlive_the_process_and_end_at_their_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cold");
    let clock = FakeClock::new(Timestamp::from_micros(1_000));
    let cold = open(&dir, &clock).unwrap();
    let get = |cold: &Cold, key: &[u8]| {
        let row = cold.get(Table::Clicks, key).unwrap();
        row.map(|row| row.to_vec())
    };
    assert_eq!(get(&cold, b"one"), None);
    let mut batch = cold.batch();
    let until = Timestamp::from_micros(2_000);
    batch.put(Table::Clicks, b"one", until, b"first");
    batch.put(Table::Clicks, b"two", NEVER, b"");
    batch.write().unwrap();
    assert_eq!(get(&cold, b"one"), Some(b"first".to_vec()));
    assert_eq!(cold.get(Table::Journeys, b"one").unwrap(), None);
    cold.persist().unwrap();
    drop(cold);

    let cold = open(&dir, &clock).unwrap();
    assert_eq!(get(&cold, b"one"), Some(b"first".to_vec()));
    drop(cold);
    clock.advance(Duration::from_micros(1_001));
    let cold = open(&dir, &clock).unwrap();
    assert_eq!(get(&cold, b"one"), None);
    assert_eq!(get(&cold, b"two"), Some(Vec::new()));
    let part = part(&cold, Table::Clicks);
    part.rows.rotate_memtable_and_wait().unwrap();
    part.rows.major_compact().unwrap();
    assert_eq!(part.rows.len().unwrap(), 1, "compaction drops what is over");
}

#[test]
fn of_rows_that_go_past_the_buffer_and_through_it_the_last_counts() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cold");
    let entropy = testkit::SeededEntropy::new(5);
    let clock = FakeClock::default();
    let mut there = BTreeMap::new();
    for round in 0..20_u8 {
        let cold = open(&dir, &clock).unwrap();
        let mut keys = BTreeSet::new();
        for _ in 0..MANY + MANY / 2 {
            keys.insert(entropy.below(4 * MANY as u64).to_be_bytes());
        }
        if entropy.one_in(2) {
            keys.retain(|_| entropy.one_in(100));
        }
        let rows = || {
            let make = |row: &mut Vec<u8>| row.push(round);
            keys.iter().map(move |key| (key, NEVER, make))
        };
        let backwards = cold.put_past(Table::Clicks, rows().rev());
        assert_eq!(backwards.is_err(), keys.len() > 1);
        cold.put_sorted(Table::Clicks, rows()).unwrap();
        there.extend(keys.into_iter().map(|key| (key, round)));
        let cold = match entropy.one_in(2) {
            true => cold,
            false => {
                drop(cold);
                open(&dir, &clock).unwrap()
            }
        };
        for key in (0..4 * MANY as u64).map(u64::to_be_bytes) {
            let found = cold.get(Table::Clicks, &key).unwrap();
            let found = found.map(|row| row.to_vec());
            assert_eq!(found, there.get(&key).map(|round| vec![*round]));
        }
    }
}

#[test]
fn parts_go_once_all_of_them_is_over_and_the_latest_row_counts() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cold");
    let entropy = testkit::SeededEntropy::new(9);
    let clock = FakeClock::default();
    let mut there: BTreeMap<Vec<u8>, (u32, Timestamp)> = BTreeMap::new();
    let most = 5 * PART;
    let mut most_parts = 0;
    let store_clock = StoreClock::new(clock.port());
    let mut opened = None;
    for round in 0..200_u32 {
        clock.advance(PART / 10);
        let now = clock.wall();
        if entropy.one_in(8) {
            opened = None;
        }
        let cold: &mut Cold = opened.get_or_insert_with(|| open_at(&dir, &store_clock).unwrap());
        store_clock.now();
        let mut rows = BTreeMap::new();
        for _ in 0..entropy.below(30) {
            let key = entropy.below(2_000).to_be_bytes().to_vec();
            let before = there.get(&key).map_or(now, |(_, until)| *until);
            let until = now.plus(most * entropy.below(100) as u32 / 100);
            // It never moves back.
            rows.insert(key, (round, until.max(before)));
        }
        let put = rows.iter().map(|(key, (round, until))| {
            let make = |row: &mut Vec<u8>| row.extend(round.to_be_bytes());
            (key, *until, make)
        });
        match entropy.one_in(2) {
            true => cold.put_past(Table::Clicks, put).unwrap(),
            false => cold.put_sorted(Table::Clicks, put).unwrap(),
        }
        there.extend(rows);
        cold.persist().unwrap();
        for key in (0..2_000_u64).step_by(7) {
            let key = key.to_be_bytes();
            let row = cold.get(Table::Clicks, &key).unwrap();
            let known = there.get(&key[..]).filter(|(_, until)| *until >= now);
            let known = known.map(|(round, _)| round.to_be_bytes().to_vec());
            assert_eq!(row.map(|row| row.to_vec()), known, "{round}");
        }
        let keys = cold.keys(Table::Clicks, &[], usize::MAX).unwrap();
        let live = there.iter().filter(|(_, (_, until))| *until >= now);
        assert!(live.into_iter().all(|(key, _)| keys.contains(key)));
        let names = cold.opened().unwrap().database.list_keyspace_names();
        let parts = names.iter().filter(|name| name.starts_with("clicks"));
        most_parts = most_parts.max(parts.count());
    }
    // Those of the longest deadline, that which is written to, and a day's step.
    assert!((6..=8).contains(&most_parts), "{most_parts}");
}

#[test]
fn a_table_from_before_there_were_parts_is_the_earliest_part() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cold");
    let clock = FakeClock::new(Timestamp::from_micros(1_700_000_000_000_000));
    let database = Database::builder(&dir).open().unwrap();
    let table = database.keyspace("clicks", KeyspaceCreateOptions::default);
    let row = [&clock.wall().as_micros().to_be_bytes()[..], b"before"].concat();
    table.unwrap().insert(b"one", row).unwrap();
    database.persist(PersistMode::SyncAll).unwrap();
    drop(database);
    let cold = open(&dir, &clock).unwrap();
    let get = || cold.get(Table::Clicks, b"one").unwrap().unwrap().to_vec();
    assert_eq!(get(), b"before");
    let mut batch = cold.batch();
    batch.put(Table::Clicks, b"two", NEVER, b"");
    batch.write().unwrap();
    cold.persist().unwrap();
    assert_eq!(get(), b"before", "it is not taken for one that is over");
    let mut batch = cold.batch();
    batch.put(Table::Clicks, b"one", NEVER, b"now");
    batch.write().unwrap();
    assert_eq!(get(), b"now");
    drop(cold);

    // Being opened again keeps nothing alive.
    clock.advance(UNKNOWN - Duration::from_secs(1));
    let is_there = |cold: &Cold| {
        let names = cold.opened().unwrap().database.list_keyspace_names();
        names.iter().any(|name| &**name == "clicks")
    };
    let cold = open(&dir, &clock).unwrap();
    cold.persist().unwrap();
    assert!(is_there(&cold));
    drop(cold);
    clock.advance(Duration::from_secs(2));
    let cold = open(&dir, &clock).unwrap();
    cold.persist().unwrap();
    assert!(!is_there(&cold));
}

#[test]
fn what_lies_in_a_gap_is_not_there_whatever_the_clock_says() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cold");
    let entropy = testkit::SeededEntropy::new(3);
    let clock = FakeClock::new(Timestamp::from_micros(1_700_000_000_000_000));
    let mut there = BTreeSet::new();
    let mut asked = Vec::new();
    for _ in 0..6 {
        let cold = open(&dir, &clock).unwrap();
        for _ in 0..20 {
            clock.advance(Duration::from_secs(entropy.below(3 * 24 * 3600)));
            let mut keys = BTreeSet::new();
            for _ in 0..entropy.below(5) {
                // Minted now, by a clock that is wrong, or derived from a hash.
                let millis = match entropy.below(3) {
                    0 => clock.wall().as_millis() as u64,
                    1 => clock.wall().as_millis() as u64 + entropy.below(9 * 86_400_000),
                    _ => entropy.next_u64() >> 16,
                };
                let mut key = (millis << 16).to_be_bytes().to_vec();
                key.extend(entropy.next_u64().to_be_bytes());
                asked.push(key.clone());
                if entropy.one_in(2) {
                    keys.insert(key);
                }
            }
            let rows = keys.iter().map(|key| (key, NEVER, |_: &mut Vec<u8>| ()));
            match entropy.one_in(2) {
                true => cold.put_past(Table::Clicks, rows).unwrap(),
                false => cold.put_sorted(Table::Clicks, rows).unwrap(),
            }
            there.extend(keys);
            for key in &asked {
                let found = cold.get(Table::Clicks, key).unwrap();
                assert_eq!(found.is_some(), there.contains(key));
            }
        }
    }
}

#[test]
fn a_new_id_lies_in_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::new(Timestamp::from_micros(1_700_000_000_000_000));
    let cold = open(&dir.path().join("cold"), &clock).unwrap();
    let minted = |entropy: u8| {
        let millis = clock.wall().as_millis().to_be_bytes();
        [&[VISITOR], &millis[2..], &[entropy; 18]].concat()
    };
    let before = minted(7);
    let mut batch = cold.batch();
    batch.put(Table::Journeys, &before, clock.wall(), b"");
    batch.write().unwrap();
    let part = part(&cold, Table::Journeys);
    assert!(!part.gaps.have(&before));
    clock.advance(Duration::from_millis(1));
    assert!(part.gaps.have(&minted(0)));
    assert!(part.gaps.have(&[&[CLICK], &minted(0)[1..]].concat()));
}

#[test]
fn a_damaged_directory_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cold");
    let clock = FakeClock::default();
    let cold = open(&dir, &clock).unwrap();
    let mut batch = cold.batch();
    batch.put(Table::Clicks, b"one", NEVER, b"first");
    batch.write().unwrap();
    part(&cold, Table::Clicks)
        .rows
        .rotate_memtable_and_wait()
        .unwrap();
    drop(cold);
    for entry in fs::read_dir(dir.join("keyspaces")).unwrap() {
        for file in fs::read_dir(entry.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                fs::write(path, b"nothing").unwrap();
            }
        }
    }
    let error = open(&dir, &clock).err().unwrap().to_string();
    assert!(error.contains(&*dir.to_string_lossy()), "{error}");
}
