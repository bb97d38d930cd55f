//! A node that watches: where the store is lost it makes it again, unless another one does.

use std::time::Duration;

use store::{EventLog, LogError, Record, Replay as _, StoreError, Topic};
use tokio::time::sleep;

use super::Rebuild;
use crate::link::Health;
use crate::open::Redis;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

fn unread(error: LogError) -> StoreError {
    StoreError::Unavailable(format!("the log: {error}"))
}

impl Redis {
    /// Makes the store again from the log whenever it is lost, for as long as this is polled. `quiet` is how
    /// long a router may still write what it did before the loss: the longest `tmax`, and 2 s.
    pub async fn watch<L: EventLog>(&self, log: &L, quiet: impl Fn() -> Duration) {
        loop {
            self.link().until(|health| *health == Health::Lost).await;
            match self.make_again(log, quiet()).await {
                Ok(Some(0)) => tracing::info!("shared state begins: the log holds nothing"),
                Ok(Some(records)) => tracing::warn!(records, "shared state was lost; made again"),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "shared state is lost; not made again yet"),
            }
            sleep(PAUSE).await;
        }
    }

    /// Makes the store again, from a log of which the last `quiet` is waited for. Says how many records it took;
    /// nothing if another node is at it.
    ///
    /// # Errors
    /// Redis or the log is away, or another node took over.
    pub async fn make_again<L: EventLog>(
        &self,
        log: &L,
        quiet: Duration,
    ) -> Result<Option<u64>, StoreError> {
        let Some(mut rebuild) = self.rebuild().await? else {
            return Ok(None);
        };
        // In a log without a record nobody did anything.
        if log.ends(Topic::Leads).iter().any(|end| *end > 0) {
            rebuild.stay(quiet).await?;
            sleep(quiet).await;
            rebuild.call_roll().await?;
        } else if rebuild.somebody_is_behind().await? {
            rebuild.call_roll().await?;
        }
        rebuild.new_journeys = is_empty(log, Topic::Events).await?;
        let records = rebuild.read(log).await?;
        rebuild.short = rebuild.begins_late(&log.ends(Topic::Leads));
        rebuild.finish().await?;
        Ok(Some(records))
    }
}

/// Whether a topic never had a record, of whomever.
async fn is_empty<L: EventLog>(log: &L, topic: Topic) -> Result<bool, StoreError> {
    if log.ends(topic).iter().any(|end| *end > 0) {
        return Ok(false);
    }
    let mut replay = log.replay(topic).await.map_err(unread)?;
    Ok(replay.next().await.map_err(unread)?.is_none())
}

impl Rebuild {
    /// Notes where the log of a partition begins.
    fn begins(&mut self, partition: u16, records: &[Record]) {
        if let (Some(start), Some(first)) =
            (self.starts.get_mut(usize::from(partition)), records.first())
        {
            start.get_or_insert(first.offset);
        }
    }

    /// Whether a partition of which nothing was known had records before those that the log still has.
    fn begins_late(&self, ends: &[u64]) -> bool {
        let partitions = self.from.iter().zip(&self.starts).zip(ends);
        let mut unknown = partitions.filter(|((from, _), _)| **from == 0);
        unknown.any(|((_, start), end)| start.map_or(*end > 0, |start| start > 0))
    }

    /// Folds all that the log has by now.
    async fn read<L: EventLog>(&mut self, log: &L) -> Result<u64, StoreError> {
        let mut replay = log.replay(Topic::Leads).await.map_err(unread)?;
        let mut folded = 0;
        while let Some((partition, records)) = replay.next().await.map_err(unread)? {
            self.stay(Duration::ZERO).await?;
            self.begins(partition, &records);
            self.fold(partition, &records).await?;
            folded += records.len() as u64;
        }
        Ok(folded)
    }
}
