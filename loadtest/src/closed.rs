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
    /// The time there was, and what the last answer took beyond it.
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
    /// Waits for the next; false, without a wait, where that is no earlier than `end`.
    async fn wait(&mut self, end: Mono, clock: &dyn Clock) -> Result<bool> {
        let Self::Due {
            alarm,
            rate,
            dice,
            next,
        } = self
        else {
            return Ok(clock.mono() < end);
        };
        if *next >= end {
            return Ok(false);
        }
        alarm.wait(next.since(clock.mono())).await?;
        *next = next.plus(dice.arrival(*rate));
        Ok(clock.mono() < end)
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
            while moments.wait(end, clock.as_ref()).await? {
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
    let took = clock.mono().since(began).max(length);
    Ok(Done { answers, took })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::task::LocalSet;
    use tokio::time::timeout;

    use super::*;
    use crate::clock::OsClock;

    struct Silent;

    impl User for Silent {
        fn next(&mut self) -> Vec<u8> {
            Vec::new()
        }

        fn heard(&mut self, _: Message<'_>) -> Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_is_due_after_the_end_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rate = Pace::Rate(0.000_001, Dice::new(1));
        let length = Duration::from_secs(60);
        let clock = Rc::new(OsClock::start());
        let address = listener.local_addr().unwrap();
        let local = LocalSet::new();
        let done = local.run_until(run(address, vec![Silent], rate, length, clock));
        let done = timeout(length / 2, done).await.unwrap();
        let expected = Done {
            answers: 0,
            took: length,
        };
        assert_eq!(done.unwrap(), expected);
    }
}
