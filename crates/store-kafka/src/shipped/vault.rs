//! The vault with the journal in front.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use domain::LeadId;
use store::{Ack, StoreError, Vault, WrappedKey};

use super::ShippedLog;
use super::frame::Frame;
use crate::vault::KafkaVault;

/// The vault of a node of a cluster: a key that Kafka does not take in time waits in the journal with the
/// records of its lead. Keys are given and erased only while Kafka is there.
#[derive(Clone)]
pub struct ShippedVault {
    pub(super) log: ShippedLog,
    pub(super) kafka: KafkaVault,
}

impl ShippedVault {
    /// Closes it. Blocks.
    pub fn close(&self) {
        self.kafka.close();
    }
}

impl Vault for ShippedVault {
    fn put(
        &self,
        lead: LeadId,
        key: WrappedKey,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        let inner = Arc::clone(&self.log.0);
        let frame = Frame::Vault(lead, Bytes::copy_from_slice(&key.0));
        let sent = inner.send(&frame, Ack::Durable, || self.kafka.queue(lead, Some(&key)));
        async move {
            let sent = inner.sent(frame, sent).await;
            sent.map(drop)
                .map_err(|error| StoreError::Unavailable(format!("vault: {error}")))
        }
    }

    async fn get(&self, lead: LeadId) -> Result<Option<WrappedKey>, StoreError> {
        self.kafka.get(lead).await
    }

    async fn erase(&self, lead: LeadId) -> Result<(), StoreError> {
        self.kafka.erase(lead).await
    }
}
