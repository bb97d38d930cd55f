//! Records come back to a store that is made again: leads side by side, each lead's in their order.

use std::collections::BTreeMap;

use domain::{LeadId, Timestamp};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use proto::{LeadBody, LeadRecord, LeadState, Message as _, RecordError};
use store::{ClaimKey, Record, StoreError};

use super::Rebuild;
use crate::link::Call as _;
use crate::{caps, claims, script};

/// Leads that are folded side by side.
const ABREAST: usize = 64;

impl Rebuild {
    /// Folds records of a partition, which follow on those before. What cannot be read is stepped over: the
    /// worker keeps it.
    ///
    /// # Errors
    /// Redis is away, or another node took over.
    pub async fn fold(&mut self, partition: u16, records: &[Record]) -> Result<(), StoreError> {
        let at = usize::from(partition);
        let known = self.from.get(at).copied().unwrap_or(0);
        let mut leads: BTreeMap<LeadId, Vec<(u64, LeadRecord)>> = BTreeMap::new();
        let mut quotes = Vec::new();
        for record in records.iter().filter(|record| record.offset >= known) {
            let Ok(read) = LeadRecord::decode(record.payload.clone()) else {
                continue;
            };
            match &read.body {
                Some(LeadBody::Quoted(_)) => quotes.push(read),
                _ => {
                    if let Ok(lead) = read.lead_id() {
                        leads.entry(lead).or_default().push((record.offset, read));
                    }
                }
            }
        }
        let this = &*self;
        let all = known == 0;
        let leads = leads.iter().map(|(lead, records)| async move {
            unless_corrupt(this.lead(partition, *lead, records, all).await)
        });
        let leads = stream::iter(leads).buffer_unordered(ABREAST);
        leads.try_collect::<()>().await?;
        let quotes = quotes
            .iter()
            .map(|record| async move { unless_corrupt(this.quote(record).await) });
        let quotes = stream::iter(quotes).buffer_unordered(ABREAST);
        quotes.try_collect::<()>().await?;
        if let (Some(reached), Some(last)) = (self.reached.get_mut(at), records.last()) {
            *reached = (*reached).max(last.offset.saturating_add(1));
        }
        Ok(())
    }

    async fn lead(
        &self,
        partition: u16,
        lead: LeadId,
        records: &[(u64, LeadRecord)],
        all: bool,
    ) -> Result<(), StoreError> {
        let records: Vec<_> = records.iter().map(|(offset, it)| (*offset, it)).collect();
        let folded = claims::fold(&self.session, partition, lead, &records).await?;
        self.reservations(lead, &folded.state, all).await
    }

    /// All of the lead, as the fold left them.
    async fn reservations(
        &self,
        lead: LeadId,
        state: &LeadState,
        all: bool,
    ) -> Result<(), StoreError> {
        for leg in state.legs.iter().filter(|leg| !leg.contract.is_empty()) {
            let reservation = leg.reservation(lead)?;
            caps::restore(&self.session, &reservation, leg.usage()?, all).await?;
        }
        Ok(())
    }

    /// The answer to a ping with a key.
    async fn quote(&self, record: &LeadRecord) -> Result<(), StoreError> {
        let Some(LeadBody::Quoted(quoted)) = &record.body else {
            return Ok(());
        };
        let Some(claim) = &quoted.claim else {
            return Ok(());
        };
        let digest = claim.digest.as_slice().try_into();
        let digest = digest.map_err(|_| RecordError::Field("digest"))?;
        let key = ClaimKey(claim.key.clone());
        let at = Timestamp::from_micros(record.at_us);
        let quoting = claims::quoting(&key, &digest, &quoted.answer, at);
        self.session.call(&script::QUOTED, quoting).await
    }
}

fn unless_corrupt(result: Result<(), StoreError>) -> Result<(), StoreError> {
    match result {
        Err(StoreError::Corrupt(_)) => Ok(()),
        other => other,
    }
}
