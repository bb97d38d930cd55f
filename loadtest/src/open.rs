//! An open loop: requests are due at random moments of a rate, whatever became of those before.
//!
//! Latency counts from the moment a request was due, so a stall shows in every request that should have
//! been sent during it, and so does a driver that is late (no coordinated omission).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::{Clock, Mono};
use tokio::task::JoinSet;
use traffic::Dice;

use crate::alarm::Alarm;
use crate::wire::Connection;

/// A request that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(10);

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Where to.
    pub address: SocketAddr,
    /// The same every time.
    pub request: &'a [u8],
    /// A second.
    pub rate: f64,
    /// How long.
    pub length: Duration,
    /// Connections at most; what finds none waits for one, and its time runs.
    pub connections: usize,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Done {
    /// Requests that were due.
    pub due: u64,
    /// Answered with a 2xx.
    pub good: u64,
    /// Answered with something else: turned away.
    pub refused: u64,
    /// Not answered.
    pub failed: u64,
    /// Of the good ones, in microseconds since they were due.
    pub took_us: Vec<i64>,
}

struct Shared {
    address: SocketAddr,
    request: Rc<[u8]>,
    clock: Rc<dyn Clock>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    open: usize,
    waiting: VecDeque<Mono>,
    done: Done,
}

/// Sends a load. Inside a `LocalSet` only.
///
/// # Errors
/// The system gives no timer.
pub async fn run(load: Load<'_>, mut dice: Dice, clock: Rc<dyn Clock>) -> Result<Done> {
    let mut alarm = Alarm::new().context("a timer")?;
    let shared = Rc::new(Shared {
        address: load.address,
        request: load.request.into(),
        clock: Rc::clone(&clock),
        state: RefCell::default(),
    });
    let mut under_way = JoinSet::new();
    let began = clock.mono();
    let end = began.plus(load.length);
    let mut due = began.plus(dice.arrival(load.rate));
    while due < end {
        alarm
            .wait(due.since(clock.mono()))
            .await
            .context("a timer")?;
        shared.state.borrow_mut().done.due += 1;
        let idle = shared.state.borrow_mut().idle.pop();
        let may_open = shared.state.borrow().open < load.connections;
        if idle.is_some() || may_open {
            if idle.is_none() {
                shared.state.borrow_mut().open += 1;
            }
            let shared = Rc::clone(&shared);
            under_way.spawn_local(async move { shared.serve(idle, due).await });
        } else {
            shared.state.borrow_mut().waiting.push_back(due);
        }
        while under_way.try_join_next().is_some() {}
        due = due.plus(dice.arrival(load.rate));
    }
    while under_way.join_next().await.is_some() {}
    let done = std::mem::take(&mut shared.state.borrow_mut().done);
    Ok(done)
}

impl Shared {
    /// Sends what is due, and what has waited for a connection meanwhile.
    async fn serve(&self, mut idle: Option<Connection>, mut due: Mono) {
        loop {
            let exchanged = tokio::time::timeout(LIMIT, self.exchange(idle.take())).await;
            let took = self.clock.mono().since(due);
            let mut state = self.state.borrow_mut();
            match exchanged {
                Ok(Ok((connection, status))) => {
                    if (200..300).contains(&status) {
                        state.done.good += 1;
                        let took = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
                        state.done.took_us.push(took);
                    } else {
                        state.done.refused += 1;
                    }
                    idle = Some(connection);
                }
                Ok(Err(_)) | Err(_) => state.done.failed += 1,
            }
            match (state.waiting.pop_front(), idle.take()) {
                (Some(next), connection) => (due, idle) = (next, connection),
                (None, Some(connection)) => return state.idle.push(connection),
                (None, None) => {
                    state.open -= 1;
                    return;
                }
            }
        }
    }

    async fn exchange(&self, idle: Option<Connection>) -> std::io::Result<(Connection, u16)> {
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let answer = connection.exchange(&self.request).await?;
        let status = answer.status().unwrap_or(0);
        Ok((connection, status))
    }
}
