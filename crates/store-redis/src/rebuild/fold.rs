//! Records come back to a store that is made again: leads side by side, each lead's in their order.

use std::collections::BTreeMap;

use domain::{LeadId, ReservationId, Timestamp, Usage};
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, StreamExt as _};
use proto::{LeadBody, LeadRecord, LeadState, Leg, Message as _, RecordError};
use redis::Cmd;
use store::{ClaimKey, Record, StoreError};

use super::Rebuild;
use crate::link::Call as _;
use crate::names::Space;
use crate::{caps, claims, script};

/// Leads that are folded side by side.
const ABREAST: usize = 64;
/// Pins that are looked at at a time.
const PAGE: usize = 256;

impl Rebuild {
    /// Folds records of a partition, which follow on those before: all that the log has, for what the store still
    /// knows may have been folded and not yet settled. What cannot be read is stepped over: the
    /// worker keeps it.
    ///
    /// # Errors
    /// Redis is away, or another node took over.
    pub async fn fold(&mut self, partition: u16, records: &[Record]) -> Result<(), StoreError> {
        let at = usize::from(partition);
        let known = self.from.get(at).copied().unwrap_or(0);
        let mut leads: BTreeMap<LeadId, Vec<(u64, LeadRecord)>> = BTreeMap::new();
        let mut quotes = Vec::new();
        for record in records {
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
        let all = known == 0;
        let mut steps: Vec<BoxFuture<'_, Result<(), StoreError>>> = Vec::new();
        for (lead, records) in &leads {
            steps.push(self.lead(partition, *lead, records, all).boxed());
        }
        for quote in &quotes {
            steps.push(self.quote(quote).boxed());
        }
        let mut steps = stream::iter(steps).buffer_unordered(ABREAST);
        while let Some(step) = steps.next().await {
            match step {
                Ok(()) | Err(StoreError::Corrupt(_)) => {}
                Err(error) => return Err(error),
            }
        }
        drop(steps);
        if let (Some(reached), Some(last)) = (self.reached.get_mut(at), records.last()) {
            *reached = (*reached).max(last.offset.saturating_add(1));
        }
        Ok(())
    }

    /// Takes back what was done without a record of it: holds, pins, leads, and claims to post. Whoever did it is gone,
    /// or will be refused.
    pub(super) async fn take_back(&self) -> Result<(), StoreError> {
        let mut from = 0;
        loop {
            let page = self.session.call(Space::Caps, &script::PINS, |command| {
                command.arg(from).arg(PAGE);
            });
            let (ended, page): (usize, Vec<String>) = page.await?;
            for id in &page {
                from += usize::from(self.is_recorded(id).await?);
            }
            if ended == 0 && page.len() < PAGE {
                break;
            }
        }
        loop {
            let unrecorded =
                self.session
                    .call(Space::Claims, &script::UNRECORDED, |_: &mut Cmd| {});
            let left: u64 = unrecorded.await?;
            if left == 0 {
                break;
            }
        }
        for partition in 0..self.redis.link().options().partitions {
            let open = claims::open(&self.session, partition).await?;
            for state in open.iter().filter(|state| state.legs.is_empty()) {
                let lead = state.lead_id()?.to_string();
                let lapse = self.session.call(Space::Claims, &script::LAPSE, |command| {
                    command.arg(&lead);
                });
                let () = lapse.await?;
            }
        }
        Ok(())
    }

    /// Whether the log has the post of a reservation that is pinned; if not, it is released.
    async fn is_recorded(&self, name: &str) -> Result<bool, StoreError> {
        let id = name.split_once('/').and_then(|(lead, leg)| {
            let (lead, leg) = (lead.parse().ok()?, leg.parse().ok()?);
            Some(ReservationId { lead, leg })
        });
        let id = id.ok_or_else(|| StoreError::Corrupt("no reservation".to_owned()))?;
        let state = claims::state(&self.session, id.lead).await?;
        let mut legs = state.iter().flat_map(|state| &state.legs);
        let is_this = |leg: &Leg| leg.leg == u32::from(id.leg) && !leg.contract.is_empty();
        if legs.any(is_this) {
            return Ok(true);
        }
        caps::release(&self.session, id, Usage::Nothing).await?;
        Ok(false)
    }

    async fn lead(
        &self,
        partition: u16,
        lead: LeadId,
        records: &[(u64, LeadRecord)],
        all: bool,
    ) -> Result<(), StoreError> {
        let records: Vec<_> = records.iter().map(|(offset, it)| (*offset, it)).collect();
        let folded = claims::fold(
            &self.session,
            partition,
            lead,
            &records,
            claims::Forgotten::Skip,
        )
        .await?;
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
        let bytes = self.redis.link().options().quote_bytes;
        let quoting = claims::quoting(&key, &digest, &quoted.answer, at, bytes);
        self.session
            .call(Space::Claims, &script::QUOTED, quoting)
            .await
    }
}
