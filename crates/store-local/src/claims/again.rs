//! Leads that ended long ago and were forgotten, while the log is read again for the tables: folded once more for
//! whoever reads. Nothing of them counts again, and nobody else sees them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use domain::LeadId;
use proto::{LeadRecord, LeadState, RecordError};

use super::entry::has_ended;

/// Leads whose end has not been read yet. What is beyond has no beginning, as if the log began behind it.
const MOST: usize = 65_536;
/// Leads whose end was read, kept for what may come late.
const LATE: usize = 4_096;

#[derive(Default)]
pub(super) struct Again {
    leads: HashMap<LeadId, Arc<LeadState>>,
    ended: VecDeque<LeadId>,
}

impl Again {
    /// The lead's state after this record, from all that was read of it.
    pub(super) fn fold(
        &mut self,
        lead: LeadId,
        offset: u64,
        record: &LeadRecord,
    ) -> Result<Arc<LeadState>, RecordError> {
        let before = self.leads.get(&lead);
        let was_over = before.is_some_and(|before| has_ended(before));
        let state = before.map(|before| LeadState::clone(before));
        let known = state.is_some();
        let (state, _) = store::fold::apply(state, offset, record)?;
        let state = Arc::new(state);
        // Without its beginning it has no rows.
        if state.received.is_none() || (!known && self.leads.len() >= MOST) {
            return Ok(state);
        }
        self.leads.insert(lead, Arc::clone(&state));
        if has_ended(&state) && !was_over {
            self.ended.push_back(lead);
        }
        if self.ended.len() > LATE
            && let Some(gone) = self.ended.pop_front()
        {
            self.leads.remove(&gone);
        }
        Ok(state)
    }
}
