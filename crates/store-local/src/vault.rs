//! The vault in process: one file per day of the leads' own time, written by one thread that syncs
//! whatever has come in since its last sync (group commit without a timer).

mod day;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use domain::{LeadId, Zone};
use journal::OnFailure;
use parking_lot::Mutex;
use store::{StoreError, Vault, WrappedKey};
use tokio::sync::oneshot;

use crate::error::{FileError, at};
use day::Day;

/// Jobs that may wait; one more is refused.
const QUEUE: usize = 16_384;
/// Jobs that share one sync.
const BATCH: usize = 4096;
/// Days that are kept open.
const OPEN_DAYS: usize = 8;

/// The vault of one machine.
#[derive(Clone)]
pub struct LocalVault(Arc<Inner>);

enum Inner {
    Memory(Mutex<HashMap<LeadId, WrappedKey>>),
    /// None once it is closed.
    Files(Mutex<Option<Running>>),
}

struct Running {
    jobs: SyncSender<Job>,
    thread: JoinHandle<()>,
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Job {
    Put(LeadId, WrappedKey, Reply<()>),
    Get(LeadId, Reply<Option<WrappedKey>>),
    Erase(LeadId, Reply<()>),
}

impl LocalVault {
    /// Without files.
    pub(crate) fn in_memory() -> Self {
        Self(Arc::new(Inner::Memory(Mutex::default())))
    }

    /// In the files of `dir`, which is made if it is not there.
    ///
    /// # Errors
    /// The directory cannot be made, or the machine refuses a thread.
    pub fn open(dir: PathBuf, on_failure: OnFailure) -> Result<Self, FileError> {
        fs::create_dir_all(&dir).map_err(at(&dir))?;
        let (jobs, queue) = sync_channel(QUEUE);
        let mut keeper = Keeper {
            dir: dir.clone(),
            on_failure,
            days: BTreeMap::new(),
            looks: 0,
        };
        let thread = Builder::new()
            .name("vault".to_owned())
            .spawn(move || keeper.run(&queue))
            .map_err(at(&dir))?;
        let running = Running { jobs, thread };
        Ok(Self(Arc::new(Inner::Files(Mutex::new(Some(running))))))
    }

    /// Syncs what is queued and ends the thread. Waits for the disk.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Inner {
    fn close(&self) {
        if let Self::Files(running) = self
            && let Some(Running { jobs, thread }) = running.lock().take()
        {
            drop(jobs);
            // A thread that panicked has nothing more to sync.
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// Queues a job now and gives the way to its answer.
fn ask<T, J>(
    running: &Mutex<Option<Running>>,
    job: J,
) -> impl Future<Output = Result<T, StoreError>> + Send + 'static + use<T, J>
where
    T: Send + 'static,
    J: FnOnce(Reply<T>) -> Job + 'static,
{
    let (reply, answer) = oneshot::channel();
    let sent = match &*running.lock() {
        None => Err("it is closed"),
        Some(running) => match running.jobs.try_send(job(reply)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err("its queue is full"),
            Err(TrySendError::Disconnected(_)) => Err("its thread has ended"),
        },
    };
    let unavailable = |why: &str| StoreError::Unavailable(format!("vault: {why}"));
    async move {
        sent.map_err(unavailable)?;
        answer
            .await
            .map_err(|_| unavailable("its thread has ended"))?
    }
}

impl Vault for LocalVault {
    fn put(
        &self,
        lead: LeadId,
        key: WrappedKey,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let stored = match &*self.0 {
            Inner::Memory(keys) => {
                keys.lock().insert(lead, key);
                None
            }
            Inner::Files(running) => Some(ask(running, move |reply| Job::Put(lead, key, reply))),
        };
        async move {
            match stored {
                Some(stored) => stored.await,
                None => Ok(()),
            }
        }
    }

    async fn get(&self, lead: LeadId) -> Result<Option<WrappedKey>, StoreError> {
        match &*self.0 {
            Inner::Memory(keys) => Ok(keys.lock().get(&lead).cloned()),
            Inner::Files(running) => ask(running, move |reply| Job::Get(lead, reply)).await,
        }
    }

    async fn erase(&self, lead: LeadId) -> Result<(), StoreError> {
        match &*self.0 {
            Inner::Memory(keys) => {
                keys.lock().remove(&lead);
                Ok(())
            }
            Inner::Files(running) => ask(running, move |reply| Job::Erase(lead, reply)).await,
        }
    }
}

/// The thread: the only one that touches the files.
struct Keeper {
    dir: PathBuf,
    on_failure: OnFailure,
    /// Open days, with the number of the look that used them last.
    days: BTreeMap<u32, (u64, Day)>,
    looks: u64,
}

impl Keeper {
    fn run(&mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut waiting = Vec::new();
            for job in std::iter::once(first).chain(jobs.try_iter().take(BATCH)) {
                self.work(job, &mut waiting);
            }
            let synced = self.sync();
            for reply in waiting {
                // Who no longer listens does not need the answer.
                let _ = reply.send(synced.clone());
            }
        }
    }

    /// Does a job up to its sync.
    fn work(&mut self, job: Job, waiting: &mut Vec<Reply<()>>) {
        let (reply, written) = match job {
            Job::Get(lead, reply) => {
                let found = match self.day(lead, false) {
                    Ok(Some(day)) => day.get(lead),
                    Ok(None) => Ok(None),
                    Err(error) => Err(error),
                };
                let _ = reply.send(found.map_err(unavailable));
                return;
            }
            Job::Put(lead, key, reply) => {
                let day = self.day(lead, true);
                (
                    reply,
                    day.and_then(|day| day.map_or(Ok(()), |day| day.put(lead, &key))),
                )
            }
            Job::Erase(lead, reply) => {
                let day = self.day(lead, false);
                (
                    reply,
                    day.and_then(|day| day.map_or(Ok(()), |day| day.erase(lead))),
                )
            }
        };
        match written {
            Ok(()) => waiting.push(reply),
            Err(error) => {
                let _ = reply.send(Err(unavailable(error)));
            }
        }
    }

    /// The day a lead belongs to, by the time in its id.
    fn day(&mut self, lead: LeadId, create: bool) -> io::Result<Option<&mut Day>> {
        let date = Zone::utc().day(lead.time());
        self.looks += 1;
        if !self.days.contains_key(&date) {
            let path = self.dir.join(format!("{date:08}.keys"));
            let fresh = create && !path.exists();
            let Some(day) = Day::open(&path, create)? else {
                return Ok(None);
            };
            if fresh {
                File::open(&self.dir)?.sync_all()?;
            }
            self.make_room();
            self.days.insert(date, (self.looks, day));
        }
        Ok(self.days.get_mut(&date).map(|(looked, day)| {
            *looked = self.looks;
            day
        }))
    }

    /// Lets go of the day that was not used for longest and has nothing to sync.
    fn make_room(&mut self) {
        if self.days.len() < OPEN_DAYS {
            return;
        }
        let idle = self.days.iter().filter(|(_, (_, day))| !day.is_dirty());
        let oldest = idle.min_by_key(|(_, (looked, _))| *looked);
        if let Some(date) = oldest.map(|(date, _)| *date) {
            self.days.remove(&date);
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        for (date, (_, day)) in &mut self.days {
            if !day.is_dirty() {
                continue;
            }
            if let Err(error) = day.sync() {
                // The kernel may have dropped the pages and marked them clean: a second sync that
                // succeeds would prove nothing.
                tracing::error!(day = date, %error, "the vault cannot be synced");
                match self.on_failure {
                    OnFailure::Abort => std::process::abort(),
                    OnFailure::Stop => return Err(unavailable(error)),
                }
            }
        }
        Ok(())
    }
}

fn unavailable(error: io::Error) -> StoreError {
    StoreError::Unavailable(format!("vault: {error}"))
}
