//! A closed loop: so many connections, each with one request at a time. Sent as soon as the one before is
//! answered, they show the most that a server does; sent at a rate, what each request costs it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::{Clock, Mono};
use tokio::task::JoinSet;
use traffic::Dice;

use crate::alarm::Alarm;
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

/// When a connection sends.
pub enum Pace {
    /// As soon as it is answered.
    Flat,
    /// At random moments of a rate (requests a second, of all connections), or as soon as it is answered
    /// if that is later.
    Rate(f64, Dice),
}

/// A connection's moments.
enum Moments {
    Flat,
    Due {
        alarm: Alarm,
        rate: f64,
        dice: Dice,
        next: Mono,
    },
}

impl Moments {
    /// Waits for the next.
    async fn wait(&mut self, clock: &dyn Clock) -> Result<()> {
        let Self::Due {
            alarm,
            rate,
            dice,
            next,
        } = self
        else {
            return Ok(());
        };
        alarm.wait(next.since(clock.mono())).await?;
        *next = next.plus(dice.arrival(*rate));
        Ok(())
    }
}

impl Pace {
    /// What one of so many connections goes by, from `began` on.
    fn of_one(&mut self, connections: usize, began: Mono) -> Result<Moments> {
        let Self::Rate(rate, dice) = self else {
            return Ok(Moments::Flat);
        };
        let rate = *rate / connections.max(1) as f64;
        let mut own = dice.fork();
        Ok(Moments::Due {
            alarm: Alarm::new().context("a timer")?,
            next: began.plus(own.arrival(rate)),
            dice: own,
            rate,
        })
    }
}

/// Runs for `length`. Inside a `LocalSet` only.
///
/// # Errors
/// A connection broke, or an answer was wrong.
pub async fn run<U: User + 'static>(
    address: SocketAddr,
    users: Vec<U>,
    mut pace: Pace,
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
    let all = connections.len();
    for (mut connection, mut user) in connections {
        let clock = Rc::clone(&clock);
        let mut moments = pace.of_one(all, began)?;
        loops.spawn_local(async move {
            let mut answers = 0;
            loop {
                moments.wait(clock.as_ref()).await?;
                if clock.mono() >= end {
                    break;
                }
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
