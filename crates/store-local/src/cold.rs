//! What is too much for memory: tables of rows on the disk of this machine, in an LSM tree (fjall).
//!
//! The directory is made with the first row. A look-up of what is not there, the usual one, ends at key ranges and bloom
//! filters. Memory is bounded whatever the tables hold: a write buffer for the part of each that is written to, as much for
//! earlier ones as the tree's log may hold, one cache, one thread. A batch is handed to the kernel and not synced;
//! [`Cold::persist`] syncs everything written so far, so whoever drops a row from elsewhere calls that first.
//!
//! Rows that come in the order of their keys go past log and write buffer if they are many ([`Cold::put_sorted`]): they
//! are a file of their own at once, which costs less than a third of the processor time.
//!
//! Each row begins with the time until which it is kept. One that is over is not given any more; it goes with its part of
//! the table ([`parts`]), or when the tree merges files. So the deadline of a key never moves back, or an older row would
//! show again.

mod gaps;
mod parts;

use std::fmt;
use std::fs::{self, File};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::Timestamp;
use fjall::compaction::filter::{CompactionFilter, Context, Factory, ItemAccessor, Verdict};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Slice};
use parking_lot::Mutex;
use store::StoreError;

use crate::clock::{Latest, StoreClock};
use crate::error::{OpenError, at};
use parts::{Part, Parts};

/// Write buffers of a table that may wait for the disk beside the one that is written to.
const MOST_SEALED: usize = 2;
/// Files of a table that wait to be merged: the tree makes writers wait from 20 on.
const MOST_UNMERGED: usize = 16;
/// Bytes of the tree's log.
const MOST_LOG: u64 = 64 << 20;
/// Bytes of a batch that is one of several.
const BATCH: usize = 256 << 10;
/// Files of tables that are open at a time.
const OPEN_FILES: usize = 32;
/// How often, and how many times, the disk is looked after when it is behind: one that takes a write
/// buffer no sooner than in a minute is broken.
const LOOK: Duration = Duration::from_millis(2);
const LOOKS: u32 = 30_000;
const DEADLINE: usize = size_of::<i64>();

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// What is known of an identity.
    Journeys,
    /// Whose a click is.
    Clicks,
    /// Identities that have converted, by the keys of [`Table::Journeys`].
    Converted,
    /// Where the records of a lead that has ended are.
    Leads,
    /// Which lead a post's key belongs to.
    Keys,
    /// Which lead used a quote.
    Quotes,
    /// Which leads a consumer was seen with.
    Consumers,
}

/// How much memory is taken whatever the tables hold, and what is much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Bytes of a table's write buffer.
    pub(crate) buffer: u64,
    /// Bytes of blocks of all tables.
    pub(crate) cache: u64,
    /// So many rows are worth a file of their own.
    pub(crate) many: usize,
    /// How long a part of a table is written to.
    pub(crate) part: Duration,
}

/// How the key of an identity begins.
pub(crate) const VISITOR: u8 = 0;
pub(crate) const CLICK: u8 = 1;
pub(crate) const PERSON: u8 = 2;
pub(crate) const KEY: u8 = 3;

impl Table {
    const ALL: [Self; 7] = [
        Self::Journeys,
        Self::Clicks,
        Self::Converted,
        Self::Leads,
        Self::Keys,
        Self::Quotes,
        Self::Consumers,
    ];

    /// How keys begin that go on with the time at which an id was minted.
    fn minted(self) -> &'static [&'static [u8]] {
        match self {
            Self::Journeys => &[&[VISITOR], &[CLICK]],
            Self::Clicks => &[&[]],
            Self::Converted | Self::Leads | Self::Keys | Self::Quotes | Self::Consumers => &[],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Journeys => "journeys",
            Self::Clicks => "clicks",
            Self::Converted => "converted",
            Self::Leads => "leads",
            Self::Keys => "keys",
            Self::Quotes => "quotes",
            Self::Consumers => "consumers",
        }
    }
}

/// The tables. Cloning shares them; the last that goes closes them.
#[derive(Clone)]
pub(crate) struct Cold(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    /// None before the first row.
    opened: OnceLock<Opened>,
    /// Held by who makes them.
    making: Mutex<()>,
    latest: Latest,
    sizes: Sizes,
}

impl fmt::Debug for Cold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cold")
    }
}

struct Opened {
    /// Held by who writes.
    writing: Mutex<()>,
    tables: [Parts; Table::ALL.len()],
    /// When the last row of each part is over.
    ends: Keyspace,
    database: Database,
    sizes: Sizes,
}

/// What a row holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row(Slice);

impl Deref for Row {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.get(DEADLINE..).unwrap_or_default()
    }
}

impl Cold {
    /// Opens the tables, if there are any. Their time is the latest that the store's clock has seen, which is now at
    /// least.
    pub(crate) fn open(dir: &Path, clock: &StoreClock, sizes: Sizes) -> Result<Self, OpenError> {
        clock.now();
        let latest = clock.latest();
        let opened = OnceLock::new();
        if dir.try_exists().map_err(at(dir))? {
            let _ = opened.set(Opened::open(dir, &latest, sizes)?);
        }
        Ok(Self(Arc::new(Inner {
            dir: dir.to_owned(),
            opened,
            making: Mutex::new(()),
            latest,
            sizes,
        })))
    }

    /// The tables; makes them if there are none.
    fn opened(&self) -> Result<&Opened, OpenError> {
        let inner = &self.0;
        if let Some(opened) = inner.opened.get() {
            return Ok(opened);
        }
        let _alone = inner.making.lock();
        if let Some(opened) = inner.opened.get() {
            return Ok(opened);
        }
        make(&inner.dir, &inner.latest, inner.sizes)?;
        let opened = Opened::open(&inner.dir, &inner.latest, inner.sizes)?;
        Ok(inner.opened.get_or_init(|| opened))
    }

    /// A row that is not over.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Row>, StoreError> {
        let Some(opened) = self.0.opened.get() else {
            return Ok(None);
        };
        let row = opened.table(table).get(key).map_err(unavailable)?;
        Ok(row.filter(|row| !self.0.latest.is_over(row)).map(Row))
    }

    /// The next keys of a table behind this one, in order: `most` at most, and fewer only at the end. Rows that are
    /// over may be among them.
    pub(crate) fn keys(
        &self,
        table: Table,
        behind: &[u8],
        most: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let Some(opened) = self.0.opened.get() else {
            return Ok(Vec::new());
        };
        opened.table(table).keys(behind, most).map_err(unavailable)
    }

    /// Changes that are made together.
    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch {
            cold: self,
            changes: Vec::new(),
            row: Vec::new(),
            bytes: 0,
        }
    }

    /// Puts rows of one table that come in the order of their keys, each key once: until when they are kept, and what
    /// adds its value to a row.
    pub(crate) fn put_sorted<K: AsRef<[u8]>>(
        &self,
        table: Table,
        rows: impl ExactSizeIterator<Item = (K, Timestamp, impl FnOnce(&mut Vec<u8>))>,
    ) -> Result<(), StoreError> {
        if rows.len() >= self.0.sizes.many {
            return self.put_past(table, rows);
        }
        let mut batch = self.batch();
        for (key, until, make) in rows {
            batch.put_made(table, key.as_ref(), until, make);
            if batch.bytes >= BATCH {
                batch.write()?;
            }
        }
        batch.write()
    }

    /// The same past log and write buffer: all are there at once, and synced.
    fn put_past<K: AsRef<[u8]>>(
        &self,
        table: Table,
        rows: impl Iterator<Item = (K, Timestamp, impl FnOnce(&mut Vec<u8>))>,
    ) -> Result<(), StoreError> {
        let opened = self.opened().map_err(unavailable)?;
        opened.make_room()?;
        let now = self.0.latest.get();
        let part = opened.current(table, now)?;
        let mut file = part.rows.start_ingestion().map_err(unavailable)?;
        let (mut scratch, mut last, mut end) = (Vec::new(), Vec::new(), now);
        for (key, until, make) in rows {
            let key = key.as_ref();
            // The tree panics.
            if *last >= *key {
                return Err(unavailable("keys are not in their order"));
            }
            last.clear();
            last.extend_from_slice(key);
            end = end.max(until);
            let row = row(&mut scratch, until, make);
            file.write(key, row).map_err(unavailable)?;
        }
        let _alone = opened.writing.lock();
        if let Some(end) = part.reaches(end) {
            opened.ends.insert(part.name(), end).map_err(unavailable)?;
        }
        part.gaps.forget();
        file.finish().map_err(unavailable)?;
        part.find_gaps(table, now).map_err(unavailable)
    }

    /// Syncs all that was written before, and lets go of parts that are over. Waits for the disk.
    pub(crate) fn persist(&self) -> Result<(), StoreError> {
        let Some(opened) = self.0.opened.get() else {
            return Ok(());
        };
        opened.persist(PersistMode::SyncAll)?;
        opened.drop_over(self.0.latest.get())
    }
}

impl Opened {
    fn open(dir: &Path, latest: &Latest, sizes: Sizes) -> Result<Self, OpenError> {
        let failed = |reason: String| OpenError::Cold {
            dir: dir.to_owned(),
            reason,
        };
        // A directory with a file too few makes it panic.
        let opened = catch_unwind(AssertUnwindSafe(|| Self::try_open(dir, latest, sizes)));
        let opened = opened.map_err(|_| failed("a file is missing or damaged".to_owned()))?;
        opened.map_err(|error| failed(error.to_string()))
    }

    fn try_open(dir: &Path, latest: &Latest, sizes: Sizes) -> fjall::Result<Self> {
        let database = Database::builder(dir)
            .cache_size(sizes.cache)
            .max_cached_files(Some(OPEN_FILES))
            .max_journaling_size(MOST_LOG)
            .worker_threads(1)
            .with_compaction_filter_factories(Arc::new({
                let latest = latest.clone();
                move |_| Some(Arc::new(Expiry(latest.clone())))
            }))
            .open()?;
        let ends = database.keyspace("ends", KeyspaceCreateOptions::default)?;
        let table = |table| Parts::open(table, &database, &ends, sizes, latest.get());
        Ok(Self {
            writing: Mutex::new(()),
            tables: [
                table(Table::Journeys)?,
                table(Table::Clicks)?,
                table(Table::Converted)?,
                table(Table::Leads)?,
                table(Table::Keys)?,
                table(Table::Quotes)?,
                table(Table::Consumers)?,
            ],
            ends,
            database,
            sizes,
        })
    }

    fn table(&self, table: Table) -> &Parts {
        let [journeys, clicks, converted, leads, keys, quotes, consumers] = &self.tables;
        match table {
            Table::Journeys => journeys,
            Table::Clicks => clicks,
            Table::Converted => converted,
            Table::Leads => leads,
            Table::Keys => keys,
            Table::Quotes => quotes,
            Table::Consumers => consumers,
        }
    }

    /// The part of a table that is written to now.
    fn current(&self, table: Table, now: Timestamp) -> Result<Arc<Part>, StoreError> {
        let part = self.table(table).current(&self.database, self.sizes, now);
        part.map_err(unavailable)
    }

    /// Drops parts of which all rows are over.
    fn drop_over(&self, now: Timestamp) -> Result<(), StoreError> {
        let _alone = self.writing.lock();
        for part in self.tables.iter().flat_map(|table| table.take_over(now)) {
            let rows = part.rows.clone();
            let dropped = self.database.delete_keyspace(rows);
            dropped.map_err(unavailable)?;
            self.ends.remove(part.name()).map_err(unavailable)?;
        }
        Ok(())
    }

    fn persist(&self, mode: PersistMode) -> Result<(), StoreError> {
        self.database.persist(mode).map_err(unavailable)
    }

    /// Waits until the disk is not far behind. The tree would make a writer wait too, but for ever if
    /// the disk has failed.
    fn make_room(&self) -> Result<(), StoreError> {
        let behind = |rows: &Keyspace| {
            rows.sealed_memtable_count() > MOST_SEALED || rows.l0_table_count() > MOST_UNMERGED
        };
        for _ in 0..LOOKS {
            if !self.tables.iter().any(|table| table.any(behind)) {
                return Ok(());
            }
            // Says so if a write has failed.
            self.persist(PersistMode::Buffer)?;
            std::thread::sleep(LOOK);
        }
        Err(unavailable("the disk does not keep up"))
    }
}

/// Makes the directory beside, whole, and puts it into its place: one that is half made opens no more.
fn make(dir: &Path, latest: &Latest, sizes: Sizes) -> Result<(), OpenError> {
    let new: PathBuf = dir.with_extension("new");
    if new.try_exists().map_err(at(&new))? {
        fs::remove_dir_all(&new).map_err(at(&new))?;
    }
    drop(Opened::open(&new, latest, sizes)?);
    fs::rename(&new, dir).map_err(at(&new))?;
    if let Some(parent) = dir.parent() {
        let synced = File::open(parent).and_then(|parent| parent.sync_all());
        synced.map_err(at(parent))?;
    }
    Ok(())
}

/// Changes of rows, on their way.
pub(crate) struct Batch<'a> {
    cold: &'a Cold,
    changes: Vec<(Table, Slice, Slice)>,
    /// The one that is being made.
    row: Vec<u8>,
    bytes: usize,
}

impl Batch<'_> {
    /// Puts a row, which is kept until then.
    pub(crate) fn put(&mut self, table: Table, key: &[u8], until: Timestamp, value: &[u8]) {
        self.put_made(table, key, until, |row| row.extend_from_slice(value));
    }

    /// The same of a value that is written by `make`, which adds to what is there.
    pub(crate) fn put_made(
        &mut self,
        table: Table,
        key: &[u8],
        until: Timestamp,
        make: impl FnOnce(&mut Vec<u8>),
    ) {
        let row = row(&mut self.row, until, make);
        self.bytes += key.len() + row.len();
        self.changes.push((table, key.into(), row));
    }

    /// Makes all changes or none, and hands them to the kernel. Waits if the disk is behind. There are none
    /// afterwards.
    pub(crate) fn write(&mut self) -> Result<(), StoreError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let opened = self.cold.opened().map_err(unavailable)?;
        opened.make_room()?;
        let _alone = opened.writing.lock();
        let mut batch = OwnedWriteBatch::with_capacity(opened.database.clone(), self.changes.len());
        let now = self.cold.0.latest.get();
        let mut written: [Option<Arc<Part>>; Table::ALL.len()] = Default::default();
        self.bytes = 0;
        for (table, key, row) in self.changes.drain(..) {
            let part = match &mut written[table as usize] {
                Some(part) => part,
                none => {
                    let part = opened.current(table, now)?;
                    part.gaps.forget();
                    none.insert(part)
                }
            };
            let until = deadline(&row).unwrap_or(now);
            if let Some(end) = part.reaches(until) {
                batch.insert(&opened.ends, part.name(), end);
            }
            batch.insert(&part.rows, key, row);
        }
        batch.commit().map_err(unavailable)?;
        for (table, part) in Table::ALL.into_iter().zip(written) {
            if let Some(part) = part {
                part.find_gaps(table, now).map_err(unavailable)?;
            }
        }
        Ok(())
    }
}

/// A row with its deadline in front.
fn row(scratch: &mut Vec<u8>, until: Timestamp, make: impl FnOnce(&mut Vec<u8>)) -> Slice {
    scratch.clear();
    scratch.extend(until.as_micros().to_be_bytes());
    make(scratch);
    Slice::new(scratch)
}

fn unavailable(error: impl ToString) -> StoreError {
    StoreError::Unavailable(format!("cold rows: {}", error.to_string()))
}

impl Latest {
    /// Whether the deadline at the beginning of a row has passed. What has none is no row of ours.
    fn is_over(&self, row: &[u8]) -> bool {
        deadline(row).is_none_or(|deadline| deadline < self.get())
    }
}

/// The time at the beginning of a row.
fn deadline(row: &[u8]) -> Option<Timestamp> {
    let deadline = row.first_chunk().map(|it| i64::from_be_bytes(*it));
    deadline.map(Timestamp::from_micros)
}

/// Drops rows that are over when their table is compacted.
struct Expiry(Latest);

impl Factory for Expiry {
    fn name(&self) -> &str {
        "deadline"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Self(self.0.clone()))
    }
}

impl CompactionFilter for Expiry {
    fn filter_item(
        &mut self,
        item: ItemAccessor<'_>,
        _: &Context,
    ) -> Result<Verdict, fjall::LsmError> {
        Ok(match self.0.is_over(&item.value()?) {
            // What lies below it is over too.
            true => Verdict::Destroy,
            false => Verdict::Keep,
        })
    }
}

#[cfg(test)]
mod tests;
