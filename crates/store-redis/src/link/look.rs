//! A look at the server: whether it is one that may be used, and the one that was trusted.

use std::sync::Arc;

use domain::Clock;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};

use super::Session;
use crate::names::Space;
use crate::script;

/// Where the server is.
pub(crate) struct Server {
    pub(super) client: Client,
    pub(super) config: AsyncConnectionConfig,
    pub(super) prefix: String,
    pub(super) clock: Option<Arc<dyn Clock>>,
}

/// What a look found.
pub(super) enum Found {
    /// The process for which the epoch was begun, with all it was told since.
    Trusted(Session),
    /// Another one.
    Lost,
}

/// Why a server is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// It cannot be reached, or does not answer.
    #[error("Redis is away: {0}")]
    Away(#[from] RedisError),
    /// It would drop keys when it is full.
    #[error(
        "Redis has maxmemory-policy {0}: it must be noeviction, or a full server forgets what was sold"
    )]
    Evicts(String),
    /// It may not be written to.
    #[error("Redis is a {0} here: the address must be the master's")]
    NotTheMaster(String),
    /// Its answer to `INFO` is not the one of a Redis.
    #[error("Redis does not say its {0}")]
    Silent(&'static str),
}

impl Server {
    /// Connects, and looks at who is there. Who joins for the first time may bring scripts that the others
    /// do not have, and loads them; later a script that is not there is one that was forgotten.
    pub(super) async fn look(&self, joins: bool) -> Result<Found, Refused> {
        let mut connection = self.connect().await?;
        let run_id = run_id(&mut connection).await?;
        let Some(epoch) = self.epoch_of(&mut connection, &run_id).await? else {
            return Ok(Found::Lost);
        };
        if !knows_scripts(&mut connection).await? {
            if !joins {
                return Ok(Found::Lost);
            }
            load(&mut connection).await?;
        }
        Ok(Found::Trusted(self.session(connection, epoch)))
    }

    /// The epoch that was begun for this process, if one was.
    async fn epoch_of(
        &self,
        connection: &mut MultiplexedConnection,
        run_id: &str,
    ) -> Result<Option<String>, RedisError> {
        let mut epochs: Vec<Option<String>> = Vec::new();
        for space in Space::OF_LEADS {
            let mut get = redis::cmd("GET");
            let epoch = get.arg(space.epoch(&self.prefix)).query_async(connection);
            epochs.push(epoch.await?);
        }
        let mut epochs = epochs.into_iter();
        let first = epochs.next().flatten();
        let first = first.filter(|first| epochs.all(|other| other.as_ref() == Some(first)));
        Ok(first.filter(|epoch| epoch.split_once(' ').is_some_and(|(_, of)| of == run_id)))
    }

    /// Whether the store is as it should be: another node was faster to make it again.
    pub(crate) async fn is_made(
        &self,
        connection: &mut MultiplexedConnection,
        run_id: &str,
    ) -> Result<bool, RedisError> {
        let epoch = self.epoch_of(connection, run_id).await?;
        Ok(epoch.is_some() && knows_scripts(connection).await?)
    }

    /// Calls over this connection, in this epoch.
    pub(crate) fn session(&self, connection: MultiplexedConnection, epoch: String) -> Session {
        Session::new(connection, epoch, self.prefix.clone(), self.clock.clone())
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = &self.config;
        let client = &self.client;
        client
            .get_multiplexed_async_connection_with_config(config)
            .await
    }
}

/// Which process it is, if it may be used.
pub(crate) async fn run_id(connection: &mut MultiplexedConnection) -> Result<String, Refused> {
    let info: String = redis::cmd("INFO").query_async(connection).await?;
    let said = |name: &'static str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(it, _)| *it == name);
        found
            .map(|(_, value)| value.trim())
            .ok_or(Refused::Silent(name))
    };
    let policy = said("maxmemory_policy")?;
    if policy != "noeviction" {
        return Err(Refused::Evicts(policy.to_owned()));
    }
    let role = said("role")?;
    if role != "master" {
        return Err(Refused::NotTheMaster(role.to_owned()));
    }
    said("run_id").map(str::to_owned)
}

/// Whether the server knows all scripts.
async fn knows_scripts(connection: &mut MultiplexedConnection) -> Result<bool, RedisError> {
    let mut exists = redis::cmd("SCRIPT");
    exists.arg("EXISTS");
    for script in script::all() {
        exists.arg(&script.hash);
    }
    let known: Vec<bool> = exists.query_async(connection).await?;
    Ok(!known.contains(&false))
}

/// Has the server know all scripts.
pub(crate) async fn load(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    for script in script::all() {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(script.source);
        let _: String = load.query_async(connection).await?;
    }
    Ok(())
}
