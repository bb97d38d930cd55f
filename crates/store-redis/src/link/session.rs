//! A connection to a server that was looked at, and the epoch that was found there.

use std::future::Future;
use std::sync::Arc;

use domain::Clock;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use store::StoreError;

use crate::names::Space;
use crate::script::Script;

/// Who can call scripts.
pub(crate) trait Call {
    /// Calls one with what `arguments` adds.
    fn call<T: FromRedisValue>(
        &self,
        space: Space,
        script: &Script,
        arguments: impl Fn(&mut Cmd) + Send + Sync,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;
}

/// One connection, for one epoch.
pub(crate) struct Session {
    connection: MultiplexedConnection,
    epoch: String,
    prefix: String,
    clock: Option<Arc<dyn Clock>>,
}

impl Session {
    pub(super) fn new(
        connection: MultiplexedConnection,
        epoch: String,
        prefix: String,
        clock: Option<Arc<dyn Clock>>,
    ) -> Self {
        Self {
            connection,
            epoch,
            prefix,
            clock,
        }
    }

    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Whether the server answers, and the epoch is the one that was found.
    pub(super) async fn is_as_it_was(&self) -> bool {
        let mut get = redis::cmd("GET");
        get.arg(Space::Claims.epoch(&self.prefix));
        let epoch = get.query_async(&mut self.connection.clone()).await;
        epoch.is_ok_and(|epoch: Option<String>| epoch.as_ref() == Some(&self.epoch))
    }

    pub(super) async fn try_call<T: FromRedisValue>(
        &self,
        space: Space,
        script: &Script,
        arguments: impl Fn(&mut Cmd),
    ) -> Result<T, RedisError> {
        let mut command = Cmd::new();
        command.arg("EVALSHA").arg(&script.hash).arg(1);
        command.arg(space.epoch(&self.prefix));
        command.arg(&self.epoch);
        let now = self.clock.as_ref().map(|clock| clock.wall().as_micros());
        command.arg(now.map(|now| now.to_string()).unwrap_or_default());
        arguments(&mut command);
        command.query_async(&mut self.connection.clone()).await
    }
}

impl Call for Session {
    async fn call<T: FromRedisValue>(
        &self,
        space: Space,
        script: &Script,
        arguments: impl Fn(&mut Cmd) + Send + Sync,
    ) -> Result<T, StoreError> {
        let answer = self.try_call(space, script, arguments).await;
        answer.map_err(|error| Blame::of(&error).of_a_call(&error))
    }
}

/// What an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The server, or the way to it: it has to be looked at, and the call may be repeated.
    Server,
    /// The server's means, for now.
    Now,
    /// What was asked, or what is kept there.
    Call,
}

impl Blame {
    pub(crate) fn of(error: &RedisError) -> Self {
        use ServerErrorKind::{BusyLoading, MasterDown, NoScript, ReadOnly, ResponseError};
        match error.kind() {
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Call,
            ErrorKind::Server(ResponseError) => Self::Call,
            ErrorKind::Server(NoScript | ReadOnly | BusyLoading | MasterDown) => Self::Server,
            ErrorKind::Extension if error.code() == Some("EPOCH") => Self::Server,
            ErrorKind::Extension | ErrorKind::Server(_) => Self::Now,
            _ => Self::Server,
        }
    }

    /// What the caller is told.
    pub(crate) fn of_a_call(self, error: &RedisError) -> StoreError {
        match self {
            Self::Call => StoreError::Corrupt(error.to_string()),
            Self::Server | Self::Now => StoreError::Unavailable(error.to_string()),
        }
    }
}
