//! What time ends: a leg whose router never told its answer lapses into doubt, and a lead whose
//! router died before any post is interrupted. Both are records, so the fold stays the only judge.

use std::collections::BTreeSet;

use bytes::Bytes;
use domain::{LeadId, Timestamp};
use proto::{Interrupted, Lapsed, LeadBody, LeadRecord, LeadState, Message as _};
use store::fold::{self, Due};
use store::{Ack, Backend, Claims as _, EventLog as _, StoreError, Topic, key};

/// What was recorded and may not be folded yet: the lead, and the leg that lapsed or zero. Only to
/// write nothing twice; a record too many changes nothing.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    recorded: BTreeSet<(LeadId, u16)>,
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
                let Some((leg, body)) = self.judge(backend, lead, &state, now).await? else {
                    continue;
                };
                let record = LeadRecord {
                    subject: lead.as_bytes().to_vec(),
                    n: 0,
                    at_us: now.as_micros(),
                    instance,
                    body: Some(body),
                };
                let bytes = Bytes::from(record.encode_to_vec());
                let append =
                    backend
                        .log()
                        .append(Topic::Leads, key::lead(lead), bytes, Ack::Durable);
                append
                    .await
                    .map_err(|error| StoreError::Unavailable(error.to_string()))?;
                self.recorded.insert((lead, leg));
                wrote += 1;
            }
        }
        self.recorded.retain(|(lead, _)| open.contains(lead));
        Ok(wrote)
    }

    async fn judge<B: Backend>(
        &self,
        backend: &B,
        lead: LeadId,
        state: &LeadState,
        now: Timestamp,
    ) -> Result<Option<(u16, LeadBody)>, StoreError> {
        let fresh = |leg: u16| !self.recorded.contains(&(lead, leg));
        match fold::due(state, now)? {
            Due::Lapse(leg) if fresh(leg) => {
                tracing::warn!(%lead, leg, "no answer of the router: the leg is in doubt");
                Ok(Some((leg, LeadBody::Lapsed(Lapsed { leg: leg.into() }))))
            }
            // Closing what is closed succeeds: if the log does not take the record, the next pass
            // writes it.
            Due::Interrupt if fresh(0) && backend.claims().close(lead, now).await? => {
                tracing::warn!(%lead, "the router died before any post: the lead is interrupted");
                Ok(Some((0, LeadBody::Interrupted(Interrupted {}))))
            }
            Due::Nothing | Due::Lapse(_) | Due::Interrupt => Ok(None),
        }
    }
}
