//! A closed loop: so many connections, each sends as soon as it is answered. It shows the most that a
//! server does, and says nothing of latency.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::Clock;
use tokio::task::JoinSet;

use crate::wire::{Connection, Message};

/// One connection's user.
pub trait User {
    /// The next request.
    fn next(&mut self) -> Vec<u8>;
    /// What came back; an error ends the run.
    ///
    /// # Errors
    /// It is not what was asked for.
    fn heard(&mut self, answer: Message<'_>) -> Result<()>;
}

/// What a loop did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Done {
    /// Answers.
    pub answers: u64,
    /// From the first request to the last answer.
    pub took: Duration,
}

/// Runs for `length`. Inside a `LocalSet` only.
///
/// # Errors
/// A connection broke, or an answer was wrong.
pub async fn run<U: User + 'static>(
    address: SocketAddr,
    users: Vec<U>,
    length: Duration,
    clock: Rc<dyn Clock>,
) -> Result<Done> {
    let mut connections = Vec::new();
    for user in users {
        connections.push((Connection::open(address).await.context("connecting")?, user));
    }
    let began = clock.mono();
    let end = began.plus(length);
    let mut loops = JoinSet::new();
    for (mut connection, mut user) in connections {
        let clock = Rc::clone(&clock);
        loops.spawn_local(async move {
            let mut answers = 0;
            while clock.mono() < end {
                let answer = connection.exchange(&user.next()).await?;
                user.heard(answer)?;
                answers += 1;
            }
            anyhow::Ok(answers)
        });
    }
    let mut answers = 0;
    while let Some(ended) = loops.join_next().await {
        answers += ended.context("a connection's loop")??;
    }
    let took = clock.mono().since(began);
    Ok(Done { answers, took })
}
