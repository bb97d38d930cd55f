//! Journeys after a loss: what the server still has is a prefix of what it was told, and says up to where in
//! the log it reaches; the rest is applied again.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Timestamp;
use redis::aio::MultiplexedConnection;
use store::{EventLog, JourneyUpdate, LogError, Record, Replay as _, StoreError, Topic};
use tokio::time::sleep;

use super::{Reach, apply, through};
use crate::link::{Blame, Call as _, Health, Session};
use crate::names::Space;
use crate::open::Redis;
use crate::script;

/// Between two looks whether they are there.
const PAUSE: Duration = Duration::from_secs(1);
/// Where the epoch is while a partition is restored. Several may do that: who learns twice knows once.
const RESTORING: &str = "restoring";

/// What a look at journeys finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Journeys {
    /// Of this epoch, as far back as they are noted to reach.
    Whole,
    Lost,
}

/// Sets an epoch where none is that is trusted; the new one where it is still being restored.
const FROM_TO: &str = "local is = redis.call('GET', KEYS[1]) \
    if is == ARGV[2] then return 0 end \
    if ARGV[1] ~= '' and is ~= ARGV[1] then return 0 end \
    redis.call('SET', KEYS[1], ARGV[2]) return 1";

impl Redis {
    /// Brings journeys back whenever they were lost, for as long as this is polled; as
    /// [`Redis::restore_journeys`].
    pub async fn watch_journeys<L: EventLog>(
        &self,
        log: &L,
        meaning: impl Fn(&Record) -> Vec<JourneyUpdate> + Send + Sync,
    ) {
        loop {
            self.link().until(|health| *health == Health::Up).await;
            if self.look_at_journeys().await == Some(Journeys::Lost) {
                match self.restore_journeys(log, &meaning).await {
                    Ok(0) => tracing::info!("journeys begin: the log holds nothing for them"),
                    Ok(records) => tracing::warn!(records, "journeys were lost; restored"),
                    Err(error) => tracing::warn!(%error, "journeys are lost; not restored yet"),
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Waits until journeys can be read and written. Somebody has to [watch](Self::watch_journeys) them.
    pub async fn journeys_at_hand(&self) {
        loop {
            self.link().until(|health| *health == Health::Up).await;
            if self.look_at_journeys().await == Some(Journeys::Whole) {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Looks at all partitions, and notes since when some are short; nothing if Redis does not answer.
    async fn look_at_journeys(&self) -> Option<Journeys> {
        let mut since = None;
        for partition in 0..self.link().options().partitions {
            let space = Space::Journeys(partition);
            let short = self.link().call(space, &script::SHORT_JOURNEYS, |it| {
                it.arg("");
            });
            match short.await {
                Ok(0) => {}
                Ok(short) => since = since.into_iter().chain([short]).min(),
                Err(StoreError::Lost) => return Some(Journeys::Lost),
                Err(_) => return None,
            }
        }
        self.link().journeys_short(since);
        Some(Journeys::Whole)
    }

    /// Since when journeys lack what is older than the log: they were lost without Redis's files. None if they do
    /// not, as far as [`Self::watch_journeys`] knows.
    pub fn journeys_short(&self) -> Option<Timestamp> {
        self.link().short_since().map(Timestamp::from_micros)
    }

    /// Brings journeys back that were lost, from the log of topic `events`; `meaning` says what a record is for
    /// them. Says how many records it took. The leads' state has to be whole before.
    ///
    /// # Errors
    /// Redis or the log is away, or the leads' state is lost.
    pub async fn restore_journeys<L: EventLog>(
        &self,
        log: &L,
        meaning: impl Fn(&Record) -> Vec<JourneyUpdate> + Send + Sync,
    ) -> Result<u64, StoreError> {
        let link = self.link();
        let epoch = link.epoch().await?;
        let mut connection = link.server().connect().await.map_err(away)?;
        let session = link
            .server()
            .session(connection.clone(), RESTORING.to_owned());
        let mut lost = BTreeMap::new();
        for partition in 0..link.options().partitions {
            if self.is_lost(&mut connection, partition, &epoch).await? {
                lost.insert(partition, through(&session, partition).await?);
            }
        }
        // Before it is read: a first record that comes meanwhile is no log that was cut.
        let ends = log.ends(Topic::Events);
        let (read, starts) = match lost.is_empty() {
            true => (0, BTreeMap::new()),
            false => self.apply_again(&session, log, &lost, meaning).await?,
        };
        for (partition, known) in &lost {
            let end = ends.get(usize::from(*partition)).copied().unwrap_or(0);
            // Of a log that was cut to its end nothing is read.
            let start = starts.get(partition).copied().unwrap_or(end);
            if start > *known {
                self.is_short(&session, *partition).await?;
                tracing::error!(
                    partition,
                    known,
                    log_begins = start,
                    "journeys lack what is older than the log"
                );
            }
        }
        for partition in lost.into_keys() {
            self.set_epoch(&mut connection, partition, (RESTORING, &epoch))
                .await?;
        }
        Ok(read)
    }

    /// Whether a partition is of another epoch; if so nobody's calls but those who restore it are answered
    /// from now on.
    async fn is_lost(
        &self,
        connection: &mut MultiplexedConnection,
        partition: u16,
        epoch: &str,
    ) -> Result<bool, StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(Space::Journeys(partition).epoch(&self.link().options().prefix));
        let is: Option<String> = get.query_async(connection).await.map_err(away)?;
        if is.as_deref() == Some(epoch) {
            return Ok(false);
        }
        self.set_epoch(connection, partition, ("", RESTORING))
            .await?;
        Ok(true)
    }

    async fn set_epoch(
        &self,
        connection: &mut MultiplexedConnection,
        partition: u16,
        (from, to): (&str, &str),
    ) -> Result<(), StoreError> {
        let mut set = redis::cmd("EVAL");
        set.arg(FROM_TO).arg(1);
        set.arg(Space::Journeys(partition).epoch(&self.link().options().prefix));
        set.arg(from).arg(to);
        let _: i64 = set.query_async(connection).await.map_err(away)?;
        Ok(())
    }

    /// Notes it for as long as what is missing would have been kept.
    async fn is_short(&self, session: &Session, partition: u16) -> Result<(), StoreError> {
        let kept = self.link().options().journeys_kept.get().as_millis();
        let kept = u64::try_from(kept).unwrap_or(u64::MAX).max(1);
        let space = Space::Journeys(partition);
        let noted = session.call(space, &script::SHORT_JOURNEYS, |it| {
            it.arg(kept);
        });
        let _: i64 = noted.await?;
        Ok(())
    }

    /// Says how many records were read, and where each partition of the log began.
    async fn apply_again<L: EventLog>(
        &self,
        session: &Session,
        log: &L,
        lost: &BTreeMap<u16, u64>,
        meaning: impl Fn(&Record) -> Vec<JourneyUpdate>,
    ) -> Result<(u64, BTreeMap<u16, u64>), StoreError> {
        let mut starts = BTreeMap::new();
        let options = self.link().options();
        let mut replay = log.replay(Topic::Events).await.map_err(unread)?;
        let mut read = 0;
        while let Some((partition, records)) = replay.next().await.map_err(unread)? {
            let Some(known) = lost.get(&partition) else {
                continue;
            };
            if let Some(first) = records.first() {
                starts.entry(partition).or_insert(first.offset);
            }
            let unknown = records.iter().filter(|record| record.offset >= *known);
            let updates: Vec<JourneyUpdate> = unknown.flat_map(&meaning).collect();
            let next = records
                .last()
                .map_or(0, |last| last.offset.saturating_add(1));
            let reach = Reach {
                through: (partition, next),
                rules: None,
            };
            apply(session, options, &updates, reach).await?;
            read += records.len() as u64;
        }
        Ok((read, starts))
    }
}

fn away(error: redis::RedisError) -> StoreError {
    Blame::of(&error).of_a_call(&error)
}

fn unread(error: LogError) -> StoreError {
    StoreError::Unavailable(format!("the log: {error}"))
}
