//! The vault on a compacted topic: a record a lead, its key the lead's id; one without a value erases.
//!
//! Every node that reads keys keeps them in files of its own, one a day, in which an erased key is zeroed
//! in place; a thread fills them from the topic. So memory does not grow with the vault, and a question
//! costs no search. Whoever asks for a key first asks Kafka how far the lead's partition goes, and waits
//! until the files are as far: what was acknowledged anywhere before the question counts, an erasure above
//! all. Without Kafka there is no answer. On disks an erased key is zeroed as soon as its node has read of
//! it, and gone from Kafka's own once the topic is compacted, [`LONGEST`] later or a little more.

mod filler;
mod places;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use domain::LeadId;
use parking_lot::Mutex;
use rdkafka::consumer::BaseConsumer;
use store::{LogError, StoreError, Vault, WrappedKey};
use store_local::{LocalVault, OnFailure};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::{OpenError, during};
use crate::log::KafkaLog;
use crate::producer::{Outgoing, Receipt};
use crate::scan;
use crate::watch::Watch;
use filler::Filler;
use places::Places;

/// How long Kafka keeps what was overwritten or erased, and how long a segment is written to, each at most.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How long Kafka keeps the mark that a key is erased. A node that was away for more than half as long
/// forgets its files and reads anew.
pub(crate) const MARKS: Duration = Duration::from_secs(14 * 24 * 3600);

/// The vault of a cluster. Cloning shares it.
#[derive(Clone)]
pub struct KafkaVault(Arc<Inner>);

struct Inner {
    log: KafkaLog,
    /// The topic's name.
    name: String,
    patience: Duration,
    /// Asks how far a partition goes.
    asking: Arc<BaseConsumer<Watch>>,
    files: LocalVault,
    filled: Arc<Filled>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How far the files are.
struct Filled {
    next: Mutex<Vec<u64>>,
    moved: Notify,
    stopped: AtomicBool,
}

impl KafkaVault {
    /// Opens this node's files in `dir` and fills them from then on.
    ///
    /// # Errors
    /// The files cannot be opened, or the machine refuses a thread.
    pub async fn open(
        log: &KafkaLog,
        dir: PathBuf,
        on_failure: OnFailure,
    ) -> Result<Self, OpenError> {
        let (log, runtime) = (log.clone(), Handle::current());
        let opened = spawn_blocking(move || Self::begin(log, dir, on_failure, runtime));
        opened
            .await
            .map_err(|error| OpenError::Thread(std::io::Error::other(error)))?
    }

    fn begin(
        log: KafkaLog,
        dir: PathBuf,
        on_failure: OnFailure,
        runtime: Handle,
    ) -> Result<Self, OpenError> {
        let options = log.options();
        let watch = log.watch("vault");
        let name = log.vault_name();
        let config = options.client("vault");
        let asking: BaseConsumer<Watch> = config
            .create_with_context(watch.clone())
            .map_err(during("set up a client"))?;
        let places = Places::open(&dir, options.partitions, log.clock().wall(), MARKS / 2)?;
        let files = LocalVault::open(dir, on_failure)?;
        let filled = Arc::new(Filled {
            next: Mutex::new(places.next().to_vec()),
            moved: Notify::new(),
            stopped: AtomicBool::new(false),
        });
        let filler = Filler {
            options: Arc::clone(&options),
            watch,
            clock: log.clock(),
            runtime,
            name: name.clone(),
            files: files.clone(),
            places,
            filled: Arc::clone(&filled),
            hearing: log.hearing(),
        };
        let thread = Builder::new()
            .name("kafka-vault".to_owned())
            .spawn(move || filler.run())
            .map_err(OpenError::Thread)?;
        Ok(Self(Arc::new(Inner {
            name,
            patience: options.patience,
            log,
            asking: Arc::new(asking),
            files,
            filled,
            thread: Mutex::new(Some(thread)),
        })))
    }

    /// Ends the thread and closes the files. Blocks.
    pub fn close(&self) {
        self.0.filled.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.0.thread.lock().take() {
            // One that panicked has nothing left to do.
            let _ = thread.join();
        }
        self.0.files.close();
    }

    /// Queues what a lead's key is from now on.
    pub(crate) fn queue(&self, lead: LeadId, key: Option<&WrappedKey>) -> Receipt {
        let leads = self.0.log.leads();
        if let Err(not_yet) = self.0.log.hearing().check() {
            let mut queued = leads.begin();
            queued.refuse(not_yet);
            return Receipt(queued);
        }
        let (name, partition) = self.0.log.vault_place(lead);
        leads.send(&Outgoing {
            name: &name,
            partition,
            key: Some(lead.as_bytes()),
            payload: key.map(|key| key.0.as_slice()),
        })
    }

    /// Waits until the files hold all that was acknowledged in a partition before the call.
    async fn up_to_date(&self, partition: u16) -> Result<(), StoreError> {
        let Inner {
            asking,
            name,
            patience,
            filled,
            ..
        } = &*self.0;
        let (asking, name, patience) = (Arc::clone(asking), name.clone(), *patience);
        let asked = spawn_blocking(move || scan::ask(&asking, &name, partition, patience));
        let (_, end) = asked
            .await
            .map_err(|_| StoreError::Unavailable("the runtime ends".to_owned()))?
            .map_err(|error| StoreError::Unavailable(format!("vault: {error}")))?;
        let reached = async {
            loop {
                // Whoever moves after this line is heard, whoever moved before it is seen.
                let moved = filled.moved.notified();
                let next = filled.next.lock().get(usize::from(partition)).copied();
                if next.is_some_and(|next| next >= end) {
                    return;
                }
                moved.await;
            }
        };
        timeout(patience, reached)
            .await
            .map_err(|_| StoreError::Unavailable("vault: this node is behind".to_owned()))
    }
}

fn unavailable(error: LogError) -> StoreError {
    StoreError::Unavailable(format!("vault: {error}"))
}

impl Vault for KafkaVault {
    fn put(
        &self,
        lead: LeadId,
        key: WrappedKey,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let queued = self.queue(lead, Some(&key));
        async move { queued.await.map(drop).map_err(unavailable) }
    }

    async fn get(&self, lead: LeadId) -> Result<Option<WrappedKey>, StoreError> {
        let (_, partition) = self.0.log.vault_place(lead);
        self.up_to_date(partition).await?;
        self.0.files.get(lead).await
    }

    async fn erase(&self, lead: LeadId) -> Result<(), StoreError> {
        self.queue(lead, None).await.map(drop).map_err(unavailable)
    }
}
