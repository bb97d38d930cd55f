//! Buyers that answer every ping with the same bid, exactly so long after they have read it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use domain::{Clock, Mono};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio_util::task::TaskTracker;

use crate::alarm::Alarm;
use crate::wire::Connection;

/// Some buyers.
pub struct Stub {
    /// Where they listen.
    pub addresses: Vec<SocketAddr>,
    open: Vec<Rc<Open>>,
    _tasks: TaskTracker,
}

/// Connections of one buyer.
#[derive(Default)]
struct Open {
    now: Cell<usize>,
    most: Cell<usize>,
}

impl Stub {
    /// Starts `count` of them; answers come `delay` after a request was read. Inside a `LocalSet` only.
    ///
    /// # Errors
    /// They cannot listen.
    pub async fn start(count: u32, delay: Duration, clock: Rc<dyn Clock>) -> io::Result<Self> {
        let tasks = TaskTracker::new();
        let line = Rc::new(Line {
            delay,
            clock,
            waiting: RefCell::default(),
            came: Notify::new(),
        });
        let mut alarm = Alarm::new()?;
        let ringing = Rc::clone(&line);
        tasks.spawn_local(async move { ringing.ring(&mut alarm).await });
        let (mut addresses, mut open) = (Vec::new(), Vec::new());
        for number in 1..=count {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            addresses.push(listener.local_addr()?);
            let counted = Rc::new(Open::default());
            open.push(Rc::clone(&counted));
            let body = format!(
                r#"{{"bid":"{}.50","bid_id":"b-{number}","expires_in_s":60}}"#,
                5 + number
            );
            let answer: Rc<[u8]> = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
            .into();
            let (line, within) = (Rc::clone(&line), tasks.clone());
            tasks.spawn_local(async move {
                // A listener that fails shows in what its callers are told.
                while let Ok((stream, _)) = listener.accept().await {
                    let (line, answer, counted) =
                        (Rc::clone(&line), Rc::clone(&answer), Rc::clone(&counted));
                    within.spawn_local(async move {
                        counted.up();
                        let _ = serve(stream, &line, &answer).await;
                        counted.now.set(counted.now.get().saturating_sub(1));
                    });
                }
            });
        }
        Ok(Self {
            addresses,
            open,
            _tasks: tasks,
        })
    }

    /// The most connections that one buyer had open at the same time.
    pub fn most_connections(&self) -> usize {
        self.open
            .iter()
            .map(|open| open.most.get())
            .max()
            .unwrap_or(0)
    }
}

impl Open {
    fn up(&self) {
        self.now.set(self.now.get() + 1);
        self.most.set(self.most.get().max(self.now.get()));
    }
}

async fn serve(stream: TcpStream, line: &Line, answer: &[u8]) -> io::Result<()> {
    let mut connection = Connection::new(stream)?;
    while connection.receive().await?.is_some() {
        line.wait().await;
        connection.send(answer).await?;
    }
    Ok(())
}

/// All wait equally long, so who came first goes first: one timer is enough.
struct Line {
    delay: Duration,
    clock: Rc<dyn Clock>,
    waiting: RefCell<VecDeque<(Mono, oneshot::Sender<()>)>>,
    came: Notify,
}

impl Line {
    async fn wait(&self) {
        let (call, called) = oneshot::channel();
        let due = self.clock.mono().plus(self.delay);
        self.waiting.borrow_mut().push_back((due, call));
        self.came.notify_one();
        // Nobody is left to call only when everything ends.
        let _ = called.await;
    }

    async fn ring(&self, alarm: &mut Alarm) {
        loop {
            let first = self.waiting.borrow().front().map(|(due, _)| *due);
            let Some(due) = first else {
                self.came.notified().await;
                continue;
            };
            if alarm.wait(due.since(self.clock.mono())).await.is_err() {
                return;
            }
            let now = self.clock.mono();
            let mut waiting = self.waiting.borrow_mut();
            while waiting.front().is_some_and(|(due, _)| *due <= now) {
                if let Some((_, call)) = waiting.pop_front() {
                    let _ = call.send(());
                }
            }
        }
    }
}
