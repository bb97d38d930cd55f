//! Where a table has no keys. Ids that begin with the time they were minted at are asked for as soon as
//! they are there, and become rows much later: between the newest row and the future there is nothing,
//! and what lies there need not be looked for. Clocks have no say in whether that is so, only in where
//! a gap is looked for.

use std::time::Duration;

use domain::Timestamp;
use fjall::Keyspace;
use parking_lot::RwLock;

/// As far as a clock may be ahead of those of others.
const AHEAD: Duration = Duration::from_secs(24 * 3600);

/// The gaps of a table: none while it is being written to.
#[derive(Debug, Default)]
pub(super) struct Gaps(RwLock<Vec<Gap>>);

/// No key is between these two.
#[derive(Debug)]
struct Gap {
    low: Vec<u8>,
    high: Vec<u8>,
}

impl Gaps {
    /// Whether a key lies in one.
    pub(super) fn have(&self, key: &[u8]) -> bool {
        let gaps = self.0.read();
        let mut gaps = gaps.iter();
        gaps.any(|gap| *gap.low < *key && *key < *gap.high)
    }

    /// Before keys are put.
    pub(super) fn forget(&self) {
        self.0.write().clear();
    }

    /// Looks for them around this time, one behind each of these beginnings of a key. Nobody puts a
    /// key meanwhile.
    pub(super) fn find(
        &self,
        rows: &Keyspace,
        beginnings: &[&[u8]],
        now: Timestamp,
    ) -> fjall::Result<()> {
        let millis = now.plus(AHEAD).as_millis().max(0).to_be_bytes();
        let time = millis.get(2..).unwrap_or_default();
        let mut gaps = Vec::with_capacity(beginnings.len());
        for beginning in beginnings {
            let first = beginning.to_vec();
            let middle = [beginning, time].concat();
            let last = [beginning, &[0xff; 32][..]].concat();
            let low = rows.range(first.clone()..middle.clone()).next_back();
            let low = low.map(|row| row.key()).transpose()?;
            let high = rows.range(middle..last.clone()).next();
            let high = high.map(|row| row.key()).transpose()?;
            gaps.push(Gap {
                low: low.map_or(first, |key| key.to_vec()),
                high: high.map_or(last, |key| key.to_vec()),
            });
        }
        *self.0.write() = gaps;
        Ok(())
    }
}
