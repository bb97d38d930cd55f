//! State is made again from the log, by one node, while the others wait.
//!
//! The node takes a lock, then writes a word of its own where the epoch is: from there on nobody's calls
//! are answered but its own, also not those of a node that did the same and was taken for dead. At the end
//! a new epoch begins: its number is the time, and it names the server's process.

mod fold;
mod nodes;
mod watch;

pub(crate) use nodes::GIVEN_UP;

use std::time::Duration;

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use store::StoreError;

use crate::link::{Blame, Call as _, Refused, Session, load, run_id};
use crate::names::Space;
use crate::open::Redis;
use crate::script;

/// How long the lock of a node that died keeps others away.
const LOCK: Duration = Duration::from_secs(10);

/// Sets what is kept for somebody who is still its owner; `KEYS[1]` is the key, `ARGV[1]` the owner.
const BEGIN_EPOCH: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
    redis.call('SET', KEYS[1], ARGV[2]) return 1";

/// Begins journeys (`KEYS[1]`, the epoch) of which nobody knows anything.
const BEGIN_JOURNEYS: &str = "if redis.call('EXISTS', KEYS[1], KEYS[2]) == 0 then \
    redis.call('SET', KEYS[1], ARGV[1]) end return 1";

/// A store that is being made again.
pub struct Rebuild {
    redis: Redis,
    connection: MultiplexedConnection,
    session: Session,
    run_id: String,
    word: String,
    /// How far each partition had been folded by what is still known, and is by now.
    from: Vec<u64>,
    reached: Vec<u64>,
    /// The first record of each that the log still has.
    starts: Vec<Option<u64>>,
    /// Nothing ever happened that journeys could know.
    new_journeys: bool,
    /// Nothing was known, and the log begins in the middle.
    short: bool,
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        Self::Unavailable(refused.to_string())
    }
}

fn away(error: RedisError) -> StoreError {
    Blame::of(&error).of_a_call(&error)
}

impl Redis {
    /// Begins to make the store again; nothing if another node is at it.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn rebuild(&self) -> Result<Option<Rebuild>, StoreError> {
        let link = self.link();
        let (prefix, instance) = (&link.options().prefix, &link.options().instance);
        let mut connection = link.server().connect().await.map_err(away)?;
        let run_id = run_id(&mut connection).await?;
        let mut lock = redis::cmd("SET");
        lock.arg(lock_key(prefix)).arg(instance).arg("NX");
        lock.arg("PX").arg(millis(LOCK));
        let locked: Option<String> = lock.query_async(&mut connection).await.map_err(away)?;
        if locked.is_none() {
            // Its own is of a try that failed: it goes on where nobody else may.
            let mut owner = redis::cmd("GET");
            owner.arg(lock_key(prefix));
            let owner: Option<String> = owner.query_async(&mut connection).await.map_err(away)?;
            if owner.as_ref() != Some(instance) {
                return Ok(None);
            }
        }
        let made = link.server().is_made(&mut connection, &run_id).await;
        if made.map_err(away)? {
            // Another node was faster.
            self.unlock(&mut connection).await?;
            link.look_again();
            return Ok(None);
        }
        let word = format!(
            "rebuilt-by-{instance} {}",
            self.time(&mut connection).await?
        );
        for space in Space::OF_LEADS {
            let mut set = redis::cmd("SET");
            set.arg(space.epoch(prefix)).arg(&word);
            let () = set.query_async(&mut connection).await.map_err(away)?;
        }
        load(&mut connection).await.map_err(away)?;
        link.look_again();
        let server = link.server();
        let session = server.session(connection.clone(), word.clone());
        let partitions = link.options().partitions;
        let reached = session.call(Space::Claims, &script::REACHED, |command| {
            command.arg(partitions);
        });
        let from: Vec<u64> = reached.await?;
        Ok(Some(Rebuild {
            redis: self.clone(),
            connection,
            session,
            run_id,
            word,
            reached: from.clone(),
            starts: vec![None; from.len()],
            from,
            new_journeys: false,
            short: false,
        }))
    }

    async fn unlock(&self, connection: &mut MultiplexedConnection) -> Result<(), StoreError> {
        let mut unlock = redis::cmd("DEL");
        unlock.arg(lock_key(&self.link().options().prefix));
        unlock.query_async(connection).await.map_err(away)
    }

    /// The store's time in microseconds.
    async fn time(&self, connection: &mut MultiplexedConnection) -> Result<i64, StoreError> {
        if let Some(clock) = &self.link().options().clock {
            return Ok(clock.wall().as_micros());
        }
        let time = redis::cmd("TIME").query_async(connection).await;
        let (seconds, micros): (i64, i64) = time.map_err(away)?;
        Ok(seconds.saturating_mul(1_000_000).saturating_add(micros))
    }
}

impl Rebuild {
    /// Keeps the others away for a while longer.
    async fn stay(&mut self, how_long: Duration) -> Result<(), StoreError> {
        let mut stay = redis::cmd("PEXPIRE");
        stay.arg(lock_key(&self.redis.link().options().prefix));
        stay.arg(millis(how_long + LOCK));
        let () = stay.query_async(&mut self.connection).await.map_err(away)?;
        Ok(())
    }

    /// Begins the new epoch: the store is what it was, as far as the log says.
    ///
    /// # Errors
    /// Redis is away, or another node took over.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        self.take_back().await?;
        let reached = self
            .session
            .call(Space::Claims, &script::REACHED, |command| {
                command.arg(self.reached.len()).arg(&self.reached);
            });
        let _: Vec<u64> = reached.await?;
        if self.short {
            let short = self.session.call(Space::Caps, &script::SHORT, |_| {});
            let () = short.await?;
            tracing::error!(
                "caps without an end are shut: the log does not reach back far enough to count them"
            );
        }
        let link = self.redis.link().clone();
        let prefix = &link.options().prefix;
        let began = self.redis.time(&mut self.connection).await?;
        let epoch = format!("{began} {}", self.run_id);
        if self.new_journeys {
            self.begin_journeys(&epoch).await?;
        }
        for space in Space::OF_LEADS {
            let mut begin = redis::cmd("EVAL");
            begin.arg(BEGIN_EPOCH).arg(1).arg(space.epoch(prefix));
            begin.arg(&self.word).arg(&epoch);
            let begun: bool = begin
                .query_async(&mut self.connection)
                .await
                .map_err(away)?;
            if !begun {
                return Err(StoreError::Lost);
            }
        }
        self.redis.unlock(&mut self.connection).await?;
        link.look_again();
        Ok(())
    }
}

impl Rebuild {
    /// Journeys begin with the leads, where the server knows of none.
    async fn begin_journeys(&mut self, epoch: &str) -> Result<(), StoreError> {
        let options = self.redis.link().options();
        for partition in 0..options.partitions {
            let mut begin = redis::cmd("EVAL");
            begin.arg(BEGIN_JOURNEYS).arg(2);
            let space = Space::Journeys(partition);
            begin.arg(space.epoch(&options.prefix));
            begin.arg(space.base(&options.prefix) + "through");
            let begun = begin.arg(epoch).query_async(&mut self.connection).await;
            let () = begun.map_err(away)?;
        }
        Ok(())
    }
}

fn lock_key(prefix: &str) -> String {
    Space::Claims.base(prefix) + "rebuild"
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
