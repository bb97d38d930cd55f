//! The thread behind the store: it follows the log with the shadow, takes from memory what ended long
//! enough ago, writes snapshots when they are due, and cuts off the log what nobody needs any more.

use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use domain::Timestamp;
use parking_lot::Mutex;
use store::{StoreError, Topic as Name};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::archive::Archive;
use crate::claims::LocalClaims;
use crate::clock::StoreClock;
use crate::floor::Floor;
use crate::journeys::LocalJourneys;
use crate::log::{self, Reader, Topic};
use crate::shadow::Shadow;
use crate::snapshot::Snapshots;

/// The keeper yields to everybody else.
const NICE: i32 = 10;
/// Bytes of records folded at a time.
const BATCH: usize = 1 << 20;
/// How long after it was told of records it folds them. The sync that wakes it lets an answer go, and that is
/// not to find the keeper on its core.
const AFTER: Duration = Duration::from_millis(20);
/// How often it is looked whether leads may go from memory.
const LOOK: Duration = Duration::from_secs(1);

/// Everything the thread works on.
pub(crate) struct Keeper {
    pub(crate) shadow: Shadow,
    pub(crate) snapshots: Snapshots,
    pub(crate) archive: Archive,
    pub(crate) claims: LocalClaims,
    /// When it is looked next whether leads may go from memory.
    pub(crate) look: Timestamp,
    pub(crate) topic: Topic,
    pub(crate) leads: Reader,
    pub(crate) journeys: LocalJourneys,
    pub(crate) floor: Arc<Floor>,
    pub(crate) log: Weak<log::Inner>,
    pub(crate) clock: StoreClock,
    pub(crate) retention: Duration,
    pub(crate) snapshot_bytes: u64,
    /// Bytes folded since the last snapshot, and the size of that.
    pub(crate) folded: u64,
    pub(crate) last_size: u64,
}

/// Takes everything there is now.
pub(crate) fn catch_up(reader: &mut Reader, shadow: &mut Shadow) -> Result<u64, StoreError> {
    let mut folded = 0;
    loop {
        let runs = reader.next_now(BATCH).map_err(unavailable)?;
        if runs.is_empty() {
            return Ok(folded);
        }
        for run in runs {
            for record in run.records {
                folded += record.payload.len() as u64;
                shadow.apply(run.partition, record.offset, &record.payload)?;
            }
        }
    }
}

/// Nothing is known of the log from here on.
fn stopped(error: StoreError) -> StoreError {
    tracing::error!(%error, "the log cannot be followed: no more snapshots");
    error
}

fn unavailable(error: impl ToString) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// The running thread.
pub(crate) struct Running {
    thread: Mutex<Option<JoinHandle<()>>>,
    asked: mpsc::Sender<Asked>,
    stop: Arc<Stop>,
}

#[derive(Default)]
struct Stop {
    /// Without a last snapshot, as if the process had been killed.
    at_once: AtomicBool,
    told: Notify,
}

/// Somebody wants a snapshot now.
type Asked = oneshot::Sender<Result<(), StoreError>>;

impl Running {
    pub(crate) fn start(keeper: Keeper, due: Arc<Notify>) -> std::io::Result<Self> {
        let (asked, asks) = mpsc::channel(16);
        let stop = Arc::new(Stop::default());
        let runtime = Handle::current();
        let thread = Builder::new().name("store-keeper".to_owned()).spawn({
            let stop = Arc::clone(&stop);
            move || {
                // Nobody waits for what it does. On Linux a nice value belongs to the thread.
                if let Err(error) = rustix::process::nice(NICE) {
                    tracing::warn!(%error, "cannot lower the priority of the store's keeper");
                }
                runtime.block_on(keeper.run(asks, &due, &stop))
            }
        })?;
        Ok(Self {
            thread: Mutex::new(Some(thread)),
            asked,
            stop,
        })
    }

    /// Folds the log to its end and writes both snapshots.
    pub(crate) async fn snapshot(&self) -> Result<(), StoreError> {
        let (reply, done) = oneshot::channel();
        let ended = || unavailable("the keeper has ended");
        self.asked.send(reply).await.map_err(|_| ended())?;
        done.await.map_err(|_| ended())?
    }

    /// Waits for the thread, which ends when the log is closed.
    pub(crate) fn join(&self) {
        if let Some(thread) = self.thread.lock().take() {
            // A thread that panicked leaves the snapshots before.
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.at_once.store(true, Ordering::Release);
        self.stop.told.notify_one();
        self.join();
    }
}

impl Keeper {
    async fn run(mut self, mut asks: mpsc::Receiver<Asked>, due: &Notify, stop: &Stop) {
        loop {
            tokio::select! {
                () = stop.told.notified() => return,
                Some(asked) = asks.recv() => {
                    let done = match self.follow() {
                        Ok(()) => self.snapshot_now(),
                        Err(error) => {
                            let _ = asked.send(Err(stopped(error)));
                            return;
                        }
                    };
                    // Who no longer listens does not need the answer.
                    let _ = asked.send(done);
                }
                () = due.notified() => {
                    let turned = self.journeys.turn();
                    self.wrote(turned);
                }
                runs = self.leads.next(BATCH) => match runs {
                    Ok(runs) if runs.is_empty() => break,
                    Ok(runs) => {
                        // The thread has nobody else to serve.
                        std::thread::sleep(AFTER);
                        if let Err(error) = self.fold(runs) {
                            stopped(error);
                            return;
                        }
                    }
                    Err(error) => {
                        stopped(unavailable(error));
                        return;
                    }
                },
            }
        }
        // The log is closed.
        if !stop.at_once.load(Ordering::Acquire) {
            let written = match self.follow() {
                Ok(()) => self.snapshot_now(),
                Err(error) => return drop(stopped(error)),
            };
            self.wrote(written);
        }
    }

    fn fold(&mut self, runs: Vec<log::Run>) -> Result<(), StoreError> {
        for run in runs {
            for record in run.records {
                self.folded += record.payload.len() as u64;
                self.shadow
                    .apply(run.partition, record.offset, &record.payload)?;
            }
        }
        if self.folded >= self.snapshot_bytes.max(self.last_size / 2) {
            let written = self.snapshot_leads();
            self.wrote(written);
        } else if self.clock.now() >= self.look
            && let Err(error) = self.archive_some()
        {
            tracing::error!(%error, "leads that have ended stay in memory");
        }
        Ok(())
    }

    /// Takes a few leads that ended long enough ago from memory. False once there are no more.
    fn archive_some(&mut self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.look = now.plus(LOOK);
        let synced = self.topic.durable_ends();
        let seen = (&*self.floor, synced.as_slice());
        self.shadow.archive(seen, now, &self.claims)
    }

    fn wrote(&self, written: Result<(), StoreError>) {
        match written {
            Ok(()) => self.trim(),
            Err(error) => tracing::error!(%error, "a snapshot was not written"),
        }
    }

    /// Folds the log to its end.
    fn follow(&mut self) -> Result<(), StoreError> {
        self.folded += catch_up(&mut self.leads, &mut self.shadow)?;
        Ok(())
    }

    fn snapshot_now(&mut self) -> Result<(), StoreError> {
        if self.folded > 0 {
            self.snapshot_leads()?;
        } else {
            while self.archive_some()? {}
        }
        self.journeys.turn()
    }

    fn snapshot_leads(&mut self) -> Result<(), StoreError> {
        while self.archive_some()? {}
        self.shadow.forget();
        // What the snapshot lacks is there after a power cut.
        self.archive.persist()?;
        self.folded = 0;
        let through = self.shadow.next.clone();
        self.last_size = self.snapshots.write(through, self.shadow.items())?;
        Ok(())
    }

    /// Cuts off the log what every consumer has committed, two snapshots hold, and is old enough.
    fn trim(&self) {
        let Some(log) = self.log.upgrade() else {
            return;
        };
        if let Err(error) = log.groups.sync() {
            tracing::error!(%error, "committed offsets cannot be synced: the log is not cut");
            return;
        }
        let older_than = self.clock.now().minus(self.retention).as_micros();
        for name in [Name::Leads, Name::Events] {
            let (Some(Topic::Files(journal)), Some(upto)) =
                (log.topics.get(&name), self.unneeded(&log, name))
            else {
                continue;
            };
            match journal.trim(&upto, older_than) {
                Ok(0) => {}
                Ok(segments) => tracing::info!(topic = name.as_str(), segments, "cut the log"),
                Err(error) => tracing::error!(topic = name.as_str(), %error, "log not cut"),
            }
        }
    }

    /// Below these offsets nobody needs a topic.
    fn unneeded(&self, log: &log::Inner, name: Name) -> Option<Vec<u64>> {
        let committed = log.groups.floor(name, self.floor.partitions())?;
        let held = match name {
            Name::Leads => self.snapshots.covered()?,
            Name::Events if self.journeys.through().is_some() => self.journeys.covered()?,
            Name::Events => return Some(committed),
            Name::Catalog => return None,
        };
        let least = committed.iter().zip(&held).map(|(one, two)| *one.min(two));
        Some(least.collect())
    }
}
