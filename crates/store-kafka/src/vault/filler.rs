//! Fills this node's files from the topic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::{Clock, LeadId, Mono};
use store::{StoreError, Vault as _, WrappedKey};
use store_local::LocalVault;
use tokio::runtime::Handle;

use super::Filled;
use super::places::Places;
use crate::KafkaOptions;
use crate::error::OpenError;
use crate::hearing::Hearing;
use crate::scan::{Scan, Scanned};
use crate::watch::Watch;

/// How long one look waits for something to come.
const LOOK: Duration = Duration::from_millis(100);
/// After a failure.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two notes of how far the files are; what comes after the last is read again.
const NOTE: Duration = Duration::from_secs(1);

pub(super) struct Filler {
    pub(super) options: Arc<KafkaOptions>,
    pub(super) watch: Watch,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) runtime: Handle,
    pub(super) name: String,
    pub(super) files: LocalVault,
    pub(super) places: Places,
    pub(super) filled: Arc<Filled>,
    pub(super) hearing: Arc<Hearing>,
}

/// Why the files are not filled.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Kafka(#[from] rdkafka::error::KafkaError),
    #[error(transparent)]
    Files(#[from] StoreError),
    #[error(transparent)]
    Places(#[from] OpenError),
}

impl Filler {
    pub(super) fn run(mut self) {
        while !self.is_stopped() {
            if !self.hearing.is_well() {
                std::thread::sleep(LOOK);
            } else if let Err(error) = self.fill() {
                tracing::warn!(%error, "the vault's files are not filled");
                std::thread::sleep(PAUSE);
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.filled.stopped.load(Ordering::Acquire)
    }

    fn fill(&mut self) -> Result<(), Failed> {
        let from = self.places.next().to_vec();
        let mut scan = Scan::begin(&self.options, self.watch.clone(), &self.name, &from)?;
        let mut noted = Mono::default();
        while !self.is_stopped() {
            let scanned = scan.look(LOOK)?;
            let moved = !scanned.is_empty();
            self.take(scanned)?;
            let next = scan.next_offsets();
            self.places.reach(&next);
            *self.filled.next.lock() = next;
            self.filled.moved.notify_waiters();
            if moved && self.clock.mono().since(noted) >= NOTE {
                self.places.note(self.clock.wall())?;
                noted = self.clock.mono();
            }
        }
        self.places.note(self.clock.wall())?;
        Ok(())
    }

    /// Brings the files to where these records end.
    fn take(&self, scanned: Vec<Scanned>) -> Result<(), Failed> {
        // The last word on a lead counts, as it does to compaction.
        let mut last: BTreeMap<LeadId, Option<WrappedKey>> = BTreeMap::new();
        for record in scanned {
            let lead = record.key.as_deref().and_then(|key| key.try_into().ok());
            let key = record.payload.as_deref().map(TryInto::try_into).transpose();
            let (Some(lead), Ok(key)) = (lead, key) else {
                let (partition, offset) = (record.partition, record.offset);
                tracing::error!(partition, offset, "record of the vault cannot be read");
                continue;
            };
            last.insert(LeadId::from_bytes(lead), key.map(WrappedKey));
        }
        self.runtime.block_on(async {
            let mut puts = Vec::new();
            for (lead, key) in &last {
                match key {
                    Some(key) => puts.push(self.files.put(*lead, key.clone())),
                    None => self.files.erase(*lead).await?,
                }
            }
            for put in puts {
                put.await?;
            }
            Ok(())
        })
    }
}
