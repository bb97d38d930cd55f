//! Which nodes there are, and whether one of them has lead records that the log does not have yet.
//!
//! A node keeps lead records in its own journal while Kafka is away. Who makes the store again from the log
//! would not see them, and what they say was sold would be sold again. So each node tells, twice a second, how much it
//! has of them; who makes the store again calls the roll once no router writes any more what it did before, and
//! waits until every node has answered with nothing.
//!
//! A node that does not answer and had nothing is not waited for: without the store no router begins anything.
//! One that had something is waited for, for as long as [`GIVEN_UP`] or until an operator takes it out of
//! the roll: what it has may be lost.

use std::future::Future;
use std::time::Duration;

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use store::StoreError;
use tokio::time::sleep;

use super::{Rebuild, away};
use crate::names::Space;
use crate::open::Redis;

/// Between two words of a node.
const TELLS: Duration = Duration::from_millis(500);
/// A node that was heard of within this is about to answer.
const HEARD: Duration = Duration::from_secs(3);
/// After this a node that had records and is silent is given up.
pub(crate) const GIVEN_UP: Duration = Duration::from_secs(3600);
/// One that had nothing and is silent is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// Between two looks at who has answered.
const LOOK: Duration = Duration::from_millis(250);
/// After so many looks it is said again that a node is waited for, and shown for twice as long.
const LOOKS: u32 = 40;

/// A node answers the roll (`KEYS[1]` is the hash of nodes): its name, the roll it answers, how much it has.
const ANSWER: &str = "local time = redis.call('TIME') \
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. time[1]) return 1";

/// What a node said last.
#[derive(Debug)]
struct Node {
    name: String,
    /// The roll that it answered.
    roll: String,
    /// Bytes of lead records that it alone has.
    unshipped: u64,
    /// How long ago.
    silent: Duration,
}

/// What becomes of a node at a roll call.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// It has nothing.
    Done,
    /// It is about to answer, or to ship what it has.
    Awaited,
    /// It is silent and had something.
    Missed,
    /// It has been silent for so long that nobody waits any more.
    GivenUp,
}

impl Node {
    /// As it is kept; none for what nobody of ours wrote.
    fn read(name: &str, said: &str, now: u64) -> Option<Self> {
        let mut words = said.split(' ');
        let (roll, unshipped, heard) = (words.next()?, words.next()?, words.next()?);
        let heard: u64 = heard.parse().ok()?;
        Some(Self {
            name: name.to_owned(),
            roll: roll.to_owned(),
            unshipped: unshipped.parse().ok()?,
            silent: Duration::from_secs(now.saturating_sub(heard)),
        })
    }

    fn stands(&self, roll: &str) -> Standing {
        match (self.roll == roll, self.unshipped) {
            (true, 0) => Standing::Done,
            _ if self.silent < HEARD => Standing::Awaited,
            (_, 0) => Standing::Done,
            _ if self.silent < GIVEN_UP => Standing::Missed,
            _ => Standing::GivenUp,
        }
    }
}

/// The keys of the roll.
struct Keys {
    nodes: String,
    roll: String,
    waits: String,
}

impl Keys {
    fn of(redis: &Redis) -> Self {
        let base = Space::Claims.base(&redis.link().options().prefix);
        Self {
            nodes: format!("{base}nodes"),
            roll: format!("{base}roll"),
            waits: format!("{base}waits"),
        }
    }
}

impl Redis {
    /// Tells the others of this node for as long as this is polled. `node` is its name, the same after a restart;
    /// `unshipped` says how many bytes of lead records it alone has.
    pub async fn tell_of(&self, node: &str, unshipped: impl Fn() -> u64 + Send + Sync) {
        let mut connection = None;
        loop {
            if self
                .answer(&mut connection, node, &unshipped)
                .await
                .is_err()
            {
                // The link says what is wrong with the server.
                connection = None;
            }
            sleep(TELLS).await;
        }
    }

    async fn answer(
        &self,
        connection: &mut Option<MultiplexedConnection>,
        node: &str,
        unshipped: &(impl Fn() -> u64 + Send + Sync),
    ) -> Result<(), RedisError> {
        let keys = Keys::of(self);
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.link().server().connect().await?),
        };
        let mut look = redis::cmd("MGET");
        look.arg(&keys.roll).arg(&keys.waits);
        let (roll, waits): (Option<String>, Option<String>) = look.query_async(connection).await?;
        self.link().waits(waits);
        // After the roll was called: what it has by then it has for this roll.
        let unshipped = unshipped();
        let mut answer = redis::cmd("EVAL");
        answer.arg(ANSWER).arg(1).arg(&keys.nodes).arg(node);
        answer.arg(roll.as_deref().unwrap_or("-")).arg(unshipped);
        answer.query_async(connection).await
    }

    /// This node ends and has nothing: it is not waited for.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn leave_roll(&self, node: &str) -> Result<(), StoreError> {
        let mut connection = self.link().server().connect().await.map_err(away)?;
        let mut leave = redis::cmd("HDEL");
        leave.arg(Keys::of(self).nodes).arg(node);
        leave.query_async(&mut connection).await.map_err(away)
    }
}

impl Rebuild {
    /// Whether a node, heard of or not, may have records that the log does not have.
    pub(super) async fn somebody_is_behind(&mut self) -> Result<bool, StoreError> {
        let nodes = self.nodes().await?;
        Ok(nodes.iter().any(|node| node.unshipped > 0))
    }

    /// Waits until every node has said that the log has all it knows.
    pub(super) async fn call_roll(&mut self) -> Result<(), StoreError> {
        let keys = Keys::of(&self.redis);
        let roll = self.word.replace(' ', "/");
        let mut call = redis::cmd("SET");
        call.arg(&keys.roll).arg(&roll);
        let () = self.ask(&call).await?;
        let mut till_said = 0_u32;
        loop {
            self.stay(Duration::ZERO).await?;
            let nodes = self.nodes().await?;
            let roll = &roll;
            let of = |standing| {
                let nodes = nodes.iter();
                nodes.filter(move |node| node.stands(roll) == standing)
            };
            let missed: Vec<_> = of(Standing::Missed)
                .map(|node| node.name.as_str())
                .collect();
            if missed.is_empty() && of(Standing::Awaited).next().is_none() {
                for node in of(Standing::GivenUp) {
                    let (name, bytes) = (&node.name, node.unshipped);
                    tracing::error!(
                        node = name,
                        bytes,
                        "a node that had lead records is given up: what they say is not known"
                    );
                }
                break;
            }
            if !missed.is_empty() && till_said == 0 {
                till_said = LOOKS;
                let nodes = missed.join(" ");
                tracing::warn!(
                    nodes,
                    "shared state waits for nodes that have lead records and are silent"
                );
                let mut waits = redis::cmd("SET");
                waits.arg(&keys.waits).arg(&nodes);
                waits
                    .arg("PX")
                    .arg(LOOK.as_millis() as u64 * u64::from(2 * LOOKS));
                let () = self.ask(&waits).await?;
            }
            till_said = till_said.saturating_sub(1);
            sleep(LOOK).await;
        }
        let mut done = redis::cmd("DEL");
        done.arg(&keys.waits);
        self.ask(&done).await
    }

    /// All nodes; who had nothing and has long been silent is forgotten.
    async fn nodes(&mut self) -> Result<Vec<Node>, StoreError> {
        let key = Keys::of(&self.redis).nodes;
        let time = redis::cmd("TIME");
        let (now, _): (u64, u64) = self.ask(&time).await?;
        let mut all = redis::cmd("HGETALL");
        all.arg(&key);
        let all: Vec<(String, String)> = self.ask(&all).await?;
        let mut nodes = Vec::with_capacity(all.len());
        for (name, said) in all {
            let node = Node::read(&name, &said, now);
            match node.filter(|node| node.unshipped > 0 || node.silent < FORGOTTEN) {
                Some(node) => nodes.push(node),
                None => {
                    let mut forget = redis::cmd("HDEL");
                    forget.arg(&key).arg(&name);
                    let () = self.ask(&forget).await?;
                }
            }
        }
        Ok(nodes)
    }

    fn ask<T: redis::FromRedisValue>(
        &mut self,
        command: &redis::Cmd,
    ) -> impl Future<Output = Result<T, StoreError>> {
        let asked = command.query_async(&mut self.connection);
        async { asked.await.map_err(away) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_had_records_and_is_silent_is_waited_for_and_who_had_none_is_not() {
        let node = |said: &str| Node::read("n", said, 100_000).unwrap().stands("roll");
        assert_eq!(node("roll 0 99999"), Standing::Done);
        assert_eq!(node("roll 7 99999"), Standing::Awaited);
        assert_eq!(node("before 0 99999"), Standing::Awaited);
        assert_eq!(node("before 0 99990"), Standing::Done);
        assert_eq!(node("before 7 99990"), Standing::Missed);
        assert_eq!(node("roll 7 99990"), Standing::Missed);
        assert_eq!(node("before 7 90000"), Standing::GivenUp);
        assert!(Node::read("n", "what is this", 0).is_none());
    }
}
