//! A table in parts, by the time of writing. Keys that go on with time make files that do not overlap, and what does not
//! overlap is never merged: rows that are over would stay for ever. A part whose rows are all over goes as a whole.
//!
//! A key may have a row in several parts. The latest counts, so parts are looked at from the latest to the earliest.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::Timestamp;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, Slice};
use parking_lot::RwLock;

use super::gaps::Gaps;
use super::{Sizes, Table, deadline};

/// Ends are told in steps: each row's own would be a change each time.
const STEP: Duration = Duration::from_secs(24 * 3600);
/// How long after it was first opened a part is over that does not say.
pub(super) const UNKNOWN: Duration = Duration::from_secs(365 * 24 * 3600);

/// The parts of a table, the latest first.
pub(super) struct Parts {
    table: Table,
    parts: RwLock<Vec<Arc<Part>>>,
}

pub(super) struct Part {
    number: i64,
    name: String,
    pub(super) rows: Keyspace,
    pub(super) gaps: Gaps,
    /// When its last row is over, in microseconds since 1970.
    end: AtomicI64,
}

impl Parts {
    /// Those that are there.
    pub(super) fn open(
        table: Table,
        database: &Database,
        ends: &Keyspace,
        sizes: Sizes,
        now: Timestamp,
    ) -> fjall::Result<Self> {
        let mut parts = Vec::new();
        for name in database.list_keyspace_names() {
            let Some(number) = number(table, &name) else {
                continue;
            };
            let end = ends.get(&*name)?.and_then(|end| deadline(&end));
            let end = match end {
                Some(end) => end,
                None => {
                    let end = now.plus(UNKNOWN);
                    ends.insert(&*name, end.as_micros().to_be_bytes())?;
                    end
                }
            };
            let part = Part::open(name.to_string(), number, database, sizes, end)?;
            part.find_gaps(table, now)?;
            parts.push(Arc::new(part));
        }
        parts.sort_unstable_by_key(|part| Reverse(part.number));
        Ok(Self {
            table,
            parts: RwLock::new(parts),
        })
    }

    /// The latest row of a key.
    pub(super) fn get(&self, key: &[u8]) -> fjall::Result<Option<Slice>> {
        for part in self.parts.read().iter() {
            if part.gaps.have(key) {
                continue;
            }
            if let Some(row) = part.rows.get(key)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The next keys behind this one.
    pub(super) fn keys(&self, behind: &[u8], most: usize) -> fjall::Result<Vec<Vec<u8>>> {
        let mut keys = BTreeSet::new();
        for part in self.parts.read().iter() {
            let range = (Bound::Excluded(behind.to_vec()), Bound::Unbounded);
            for row in part.rows.range::<Vec<u8>, _>(range).take(most) {
                keys.insert(row.key()?.to_vec());
            }
        }
        Ok(keys.into_iter().take(most).collect())
    }

    /// Whether this holds of any part.
    pub(super) fn any(&self, holds: impl Fn(&Keyspace) -> bool) -> bool {
        self.parts.read().iter().any(|part| holds(&part.rows))
    }

    /// The part that is written to now; makes it if it is the first time.
    pub(super) fn current(
        &self,
        database: &Database,
        sizes: Sizes,
        now: Timestamp,
    ) -> fjall::Result<Arc<Part>> {
        let length = i64::try_from(sizes.part.as_micros()).unwrap_or(i64::MAX);
        let number = now.as_micros().div_euclid(length.max(1));
        let latest = |parts: &[Arc<Part>]| {
            let latest = parts.first().filter(|latest| latest.number >= number);
            latest.map(Arc::clone)
        };
        if let Some(latest) = latest(&self.parts.read()) {
            return Ok(latest);
        }
        let mut parts = self.parts.write();
        if let Some(latest) = latest(&parts) {
            return Ok(latest);
        }
        let name = format!("{}-{number}", self.table.name());
        let nothing = Timestamp::from_micros(i64::MIN);
        let part = Arc::new(Part::open(name, number, database, sizes, nothing)?);
        parts.insert(0, Arc::clone(&part));
        Ok(part)
    }

    /// Those whose rows are all over, without the latest, which is written to; they are no longer here.
    pub(super) fn take_over(&self, now: Timestamp) -> Vec<Arc<Part>> {
        let mut parts = self.parts.write();
        let kept = usize::from(!parts.is_empty());
        let is_over = |part: &mut Arc<Part>| part.end.load(Ordering::Acquire) < now.as_micros();
        parts.extract_if(kept.., is_over).collect()
    }
}

impl Part {
    fn open(
        name: String,
        number: i64,
        database: &Database,
        sizes: Sizes,
        end: Timestamp,
    ) -> fjall::Result<Self> {
        let options = || KeyspaceCreateOptions::default().max_memtable_size(sizes.buffer);
        Ok(Self {
            number,
            rows: database.keyspace(&name, options)?,
            name,
            gaps: Gaps::default(),
            end: AtomicI64::new(end.as_micros()),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A row comes that is kept until then: the new end of the part if that is later, to be written down before it or
    /// with it.
    pub(super) fn reaches(&self, until: Timestamp) -> Option<[u8; 8]> {
        let before = self.end.load(Ordering::Acquire);
        if until.as_micros() <= before {
            return None;
        }
        let end = until.plus(STEP).as_micros();
        self.end.store(end, Ordering::Release);
        Some(end.to_be_bytes())
    }

    /// Once rows have come.
    pub(super) fn find_gaps(&self, table: Table, now: Timestamp) -> fjall::Result<()> {
        self.gaps.find(&self.rows, table.minted(), now)
    }
}

/// The number of a part, by its name. Tables were not in parts once: that one comes before all.
fn number(table: Table, name: &str) -> Option<i64> {
    match name.strip_prefix(table.name())? {
        "" => Some(i64::MIN),
        number => number.strip_prefix('-')?.parse().ok(),
    }
}
