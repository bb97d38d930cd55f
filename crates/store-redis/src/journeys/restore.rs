//! Journeys after a loss: what the server still has is a prefix of what it was told, and says up to where in
//! the log it reaches; the rest is applied again.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use store::{EventLog, JourneyUpdate, LogError, Record, Replay as _, StoreError, Topic};
use tokio::time::sleep;

use super::{Reach, apply, through};
use crate::link::{Blame, Health, Session};
use crate::names::Space;
use crate::open::Redis;

/// Between two looks whether they are there.
const PAUSE: Duration = Duration::from_secs(1);
/// Where the epoch is while a partition is restored. Several may do that: who learns twice knows once.
const RESTORING: &str = "restoring";

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
            if self.has_lost_journeys().await {
                match self.restore_journeys(log, &meaning).await {
                    Ok(0) => tracing::info!("journeys begin: the log holds nothing for them"),
                    Ok(records) => tracing::warn!(records, "journeys were lost; restored"),
                    Err(error) => tracing::warn!(%error, "journeys are lost; not restored yet"),
                }
            }
            sleep(PAUSE).await;
        }
    }

    async fn has_lost_journeys(&self) -> bool {
        for partition in 0..self.link().options().partitions {
            if self.journeys().through(partition).await == Err(StoreError::Lost) {
                return true;
            }
        }
        false
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
        let read = match lost.is_empty() {
            true => 0,
            false => self.apply_again(&session, log, &lost, meaning).await?,
        };
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

    async fn apply_again<L: EventLog>(
        &self,
        session: &Session,
        log: &L,
        lost: &BTreeMap<u16, u64>,
        meaning: impl Fn(&Record) -> Vec<JourneyUpdate>,
    ) -> Result<u64, StoreError> {
        let options = self.link().options();
        let mut replay = log.replay(Topic::Events).await.map_err(unread)?;
        let mut read = 0;
        while let Some((partition, records)) = replay.next().await.map_err(unread)? {
            let Some(known) = lost.get(&partition) else {
                continue;
            };
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
        Ok(read)
    }
}

fn away(error: redis::RedisError) -> StoreError {
    Blame::of(&error).of_a_call(&error)
}

fn unread(error: LogError) -> StoreError {
    StoreError::Unavailable(format!("the log: {error}"))
}
