//! The auditor: reads the log once more, behind the reader that fills the tables, and asks the tables
//! for the rows that each range of a partition should have left there.
//!
//! It shares nothing with the path that it watches but the log and the rule that names a conversion,
//! so a batch that was committed and not inserted, and rows that were lost later, show alike. It has
//! offsets of its own: a range is committed once it was compared, and after a crash it is compared
//! again. Rows are counted by identity, because repeated and replaced ones are in the tables for a
//! while.
//!
//! Two looks. The first asks for the rows of all partitions together, near the time of their
//! records, which touches the newest parts only. Where something is missing, the second looks for
//! each partition's rows at any time (a copy with another time may have replaced a row, a report
//! restates an old conversion), leaves out what was kept as a dead letter, and is the one believed.

mod expected;
mod look;

use telemetry::{Metrics, WORKER_AUDIT_DIFFERENCE, WORKER_AUDITED};
use warehouse::Table;

pub(crate) use expected::Compared;
pub(crate) use look::{Missing, missing};

/// Says that nothing is missing so far.
pub(crate) fn begin(metrics: &Metrics) {
    for table in Table::ALL {
        metrics.set(WORKER_AUDIT_DIFFERENCE, [table.name()], 0);
    }
}

/// Says what was found.
pub(crate) fn tell(metrics: &Metrics, ranges: &[Compared], missing: &[Missing]) {
    for range in ranges {
        let differs = missing.iter().any(|missing| missing.range == range.place);
        let result = if differs { "different" } else { "complete" };
        metrics.count(WORKER_AUDITED, [range.place.topic.as_str(), result]);
    }
    for Missing { range, table, rows } in missing {
        let (topic, partition) = (range.topic.as_str(), range.partition);
        let (from, next, table) = (range.from, range.next, table.name());
        let by = i64::try_from(*rows).unwrap_or(i64::MAX);
        metrics.shift(WORKER_AUDIT_DIFFERENCE, [table], by);
        tracing::warn!(
            topic,
            partition,
            from,
            next,
            table,
            rows,
            "rows of the log are missing"
        );
    }
}
