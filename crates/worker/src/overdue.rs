//! What time ends: a leg whose router never told its answer lapses into doubt, and a lead whose
//! router died before any post is interrupted. So is one of which its router had not even recorded that there is one.
//! All are records, so the fold stays the only judge.

use std::collections::BTreeSet;

use bytes::Bytes;
use domain::{LeadId, SettledBy, Settlement, Timestamp};
use proto::{Interrupted, Lapsed, LeadBody, LeadRecord, LeadState, Message as _, Settled};
use store::fold::{self, Due};
use store::{Ack, Backend, Claims as _, EventLog as _, StoreError, Topic, key};

/// What was recorded and may not be folded yet. Only to write nothing twice; a record too many changes
/// nothing.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    recorded: BTreeSet<(LeadId, Due)>,
}

impl Overdue {
    /// Looks at every open lead of these partitions. Returns how many records it wrote.
    pub(crate) async fn pass<B: Backend>(
        &mut self,
        backend: &B,
        partitions: &[u16],
        now: Timestamp,
        instance: u64,
    ) -> Result<usize, StoreError> {
        let mut open = BTreeSet::new();
        let mut wrote = 0;
        for partition in partitions {
            for state in backend.claims().open(*partition).await? {
                let lead = state.lead_id()?;
                open.insert(lead);
                let Some((due, body)) = self.judge(backend, lead, &state, now).await? else {
                    continue;
                };
                self.record(backend, (lead, due), body, now, instance)
                    .await?;
                wrote += 1;
            }
            let unrecorded = backend.claims().unrecorded(*partition).await?;
            open.extend(&unrecorded);
            wrote += self.interrupt(backend, unrecorded, now, instance).await?;
        }
        self.recorded.retain(|(lead, _)| open.contains(lead));
        Ok(wrote)
    }

    /// Ends leads of which the log may have nothing: whoever folds this has folded all that it had of them before.
    async fn interrupt<B: Backend>(
        &mut self,
        backend: &B,
        leads: Vec<LeadId>,
        now: Timestamp,
        instance: u64,
    ) -> Result<usize, StoreError> {
        let mut wrote = 0;
        for lead in leads {
            let once = (lead, Due::Interrupt);
            if !self.recorded.contains(&once) {
                let body = LeadBody::Interrupted(Interrupted {});
                self.record(backend, once, body, now, instance).await?;
                wrote += 1;
            }
        }
        Ok(wrote)
    }

    async fn record<B: Backend>(
        &mut self,
        backend: &B,
        (lead, due): (LeadId, Due),
        body: LeadBody,
        now: Timestamp,
        instance: u64,
    ) -> Result<(), StoreError> {
        let record = LeadRecord {
            subject: lead.as_bytes().to_vec(),
            n: 0,
            at_us: now.as_micros(),
            instance,
            body: Some(body),
        };
        let bytes = Bytes::from(record.encode_to_vec());
        let append = backend
            .log()
            .append(Topic::Leads, key::lead(lead), bytes, Ack::Durable);
        append
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.recorded.insert((lead, due));
        Ok(())
    }

    async fn judge<B: Backend>(
        &self,
        backend: &B,
        lead: LeadId,
        state: &LeadState,
        now: Timestamp,
    ) -> Result<Option<(Due, LeadBody)>, StoreError> {
        let due = fold::due(state, now)?;
        if self.recorded.contains(&(lead, due)) {
            return Ok(None);
        }
        let body = match due {
            Due::Nothing => return Ok(None),
            Due::Lapse(leg) => {
                tracing::warn!(%lead, leg, "no answer of the router: the leg is in doubt");
                LeadBody::Lapsed(Lapsed { leg: leg.into() })
            }
            // A proposal like any other: the buyer's or the operator's may have come first.
            Due::Settle(leg, settlement) => LeadBody::Settled(Settled {
                leg: leg.into(),
                accepted: settlement == Settlement::Accepted,
                by: SettledBy::Deadline.as_str().to_owned(),
                ..Settled::default()
            }),
            // Closing what is closed succeeds: if the log does not take the record, the next pass
            // writes it.
            Due::Interrupt => {
                if !backend.claims().close(lead, now).await? {
                    return Ok(None);
                }
                tracing::warn!(%lead, "the router died before any post: the lead is interrupted");
                LeadBody::Interrupted(Interrupted {})
            }
        };
        Ok(Some((due, body)))
    }
}

#[cfg(test)]
mod tests;
