//! The vault: one wrapped key per lead, and nowhere else. Dropping a key erases the lead's
//! personal data everywhere.

use std::future::Future;

use domain::LeadId;

use crate::{StoreError, WrappedKey};

/// Keys of personal data.
pub trait Vault: Send + Sync + 'static {
    /// Stores a lead's key; resolves when it is durable.
    fn put(
        &self,
        lead: LeadId,
        key: WrappedKey,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static;

    /// A lead's key, unless it was dropped or never stored.
    fn get(
        &self,
        lead: LeadId,
    ) -> impl Future<Output = Result<Option<WrappedKey>, StoreError>> + Send;

    /// Forgets a lead's key for good.
    fn erase(&self, lead: LeadId) -> impl Future<Output = Result<(), StoreError>> + Send;
}
