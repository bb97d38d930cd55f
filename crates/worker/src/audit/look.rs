//! The two looks at the tables.

use std::time::Duration;

use domain::Timestamp;
use warehouse::{Sought, Table, WarehouseError};

use super::expected::{Compared, Place, Rows};
use crate::Sink;

/// How far from its record's time a row is looked for at first, and then. Ids that were made of a client's are nowhere
/// near each other, so of the table all is read that the time leaves; most rows have their record's time, and clocks
/// of nodes, the moments of one lead and what is sent again differ by less than an hour.
const SLACKS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(3600)];
/// The most keys of a first look: asked for in order of time, so that old ones widen only their own.
const MOST_KEYS: usize = 4096;

/// Rows that should be there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Of this range.
    pub(crate) range: Place,
    /// In this table.
    pub(crate) table: Table,
    /// So many.
    pub(crate) rows: u64,
}

/// A key to look for.
#[derive(Debug, Clone, Copy)]
struct Key<'a> {
    key: &'a str,
    /// How many rows have it.
    count: u64,
    /// About when they happened.
    at: Timestamp,
}

/// Compares ranges with the tables.
pub(crate) async fn missing(
    sink: &impl Sink,
    ranges: &[Compared],
) -> Result<Vec<Missing>, WarehouseError> {
    let mut suspect = Vec::new();
    for sought in Sought::ALL {
        let rows = ranges.iter().flat_map(|range| &range.rows);
        if !all_there(sink, sought, keys(rows, sought)).await? {
            suspect.push(sought);
        }
    }
    if !suspect.is_empty() {
        tracing::debug!(?suspect, "not all rows are near the time of their records");
    }
    let mut missing = Vec::new();
    for range in ranges {
        if !suspect.is_empty() || !range.unreadable.is_empty() {
            look_closely(sink, range, &suspect, &mut missing).await?;
        }
    }
    Ok(missing)
}

/// Each key once: a record that came twice has its rows once. Keys that begin with their time are nearly in
/// order as they come.
fn keys<'a>(rows: impl Iterator<Item = &'a Rows>, sought: Sought) -> Vec<Key<'a>> {
    let rows = rows.filter(|rows| rows.sought == sought);
    let mut keys: Vec<Key<'_>> = rows
        .map(|rows| Key {
            key: &rows.key,
            count: rows.count,
            at: rows.at,
        })
        .collect();
    keys.sort_by_key(|key| key.key);
    keys.dedup_by(|again, first| {
        let same = again.key == first.key;
        if same {
            first.count = first.count.max(again.count);
        }
        same
    });
    keys
}

/// The first look: whether each key has all its rows near the time of its record.
async fn all_there(
    sink: &impl Sink,
    sought: Sought,
    mut keys: Vec<Key<'_>>,
) -> Result<bool, WarehouseError> {
    keys.sort_by_key(|key| key.at);
    for some in keys.chunks(MOST_KEYS) {
        if !near(sink, sought, some).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The same of some keys, in order of time: what is not nearest may be a little farther away.
async fn near(sink: &impl Sink, sought: Sought, keys: &[Key<'_>]) -> Result<bool, WarehouseError> {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
        return Ok(true);
    };
    let expected: u64 = keys.iter().map(|key| key.count).sum();
    let keys: Vec<&str> = keys.iter().map(|key| key.key).collect();
    for slack in SLACKS {
        let within = first.at.minus(slack)..=last.at.plus(slack);
        if sink.held(sought, &keys, Some(within)).await? >= expected {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The second look, at one range.
async fn look_closely(
    sink: &impl Sink,
    range: &Compared,
    suspect: &[Sought],
    missing: &mut Vec<Missing>,
) -> Result<(), WarehouseError> {
    let place = range.place;
    let letters = sink
        .letters(place.topic, place.partition, place.from..place.next)
        .await?;
    let mut note = |table, rows: u64| {
        if rows > 0 {
            missing.push(Missing {
                range: place,
                table,
                rows,
            });
        }
    };
    let unkept = range.unreadable.difference(&letters).count();
    note(
        Table::DeadLetters,
        u64::try_from(unkept).unwrap_or(u64::MAX),
    );
    for sought in suspect {
        let keys = keys(range.less(&letters), *sought);
        let expected: u64 = keys.iter().map(|key| key.count).sum();
        let keys: Vec<&str> = keys.iter().map(|key| key.key).collect();
        let held = sink.held(*sought, &keys, None).await?;
        note(sought.table(), expected.saturating_sub(held));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ops::{Range, RangeInclusive};
    use std::sync::Mutex;

    use store::Topic;
    use warehouse::{Batch, PostbackRow};

    use super::*;

    /// A table with one row, and how wide it was looked for.
    struct One {
        at: Timestamp,
        looks: Mutex<Vec<Duration>>,
    }

    impl Sink for One {
        async fn prepare(&self) -> Result<(), WarehouseError> {
            Ok(())
        }

        async fn insert(&self, _: &Batch) -> Result<(), WarehouseError> {
            Ok(())
        }

        async fn postbacks(&self, _: &[&str]) -> Result<Vec<PostbackRow>, WarehouseError> {
            Ok(Vec::new())
        }

        async fn held(
            &self,
            _: Sought,
            _: &[&str],
            within: Option<RangeInclusive<Timestamp>>,
        ) -> Result<u64, WarehouseError> {
            let within = within.unwrap();
            self.looks
                .lock()
                .unwrap()
                .push(within.end().since(*within.start()) / 2);
            Ok(within.contains(&self.at).into())
        }

        async fn letters(
            &self,
            _: Topic,
            _: u16,
            _: Range<u64>,
        ) -> Result<BTreeSet<u64>, WarehouseError> {
            Ok(BTreeSet::new())
        }
    }

    #[tokio::test]
    async fn a_row_is_looked_for_near_its_record_before_it_is_looked_for_farther_away() {
        let [near, far] = SLACKS;
        let record = Timestamp::from_micros(1_790_000_000_000_000);
        for (away, looks, there) in [
            (Duration::ZERO, vec![near], true),
            (near, vec![near], true),
            (near + Duration::from_micros(1), vec![near, far], true),
            (far, vec![near, far], true),
            (far + Duration::from_micros(1), vec![near, far], false),
        ] {
            for at in [record.minus(away), record.plus(away)] {
                let table = One {
                    at,
                    looks: Mutex::default(),
                };
                let keys = vec![Key {
                    key: "ev_1",
                    count: 1,
                    at: record,
                }];
                let found = all_there(&table, Sought::Events, keys).await.unwrap();
                assert_eq!(
                    (found, table.looks.into_inner().unwrap()),
                    (there, looks.clone())
                );
            }
        }
    }
}
