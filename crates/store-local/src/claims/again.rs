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

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Entropy, LeadStatus, Timestamp};
    use proto::LeadBody;
    use store::ClaimKey;
    use testkit::{SeededEntropy, records};

    /// Folds one record after the other.
    #[derive(Default)]
    struct Reader {
        again: Again,
        offset: u64,
    }

    impl Reader {
        fn read(&mut self, lead: LeadId, body: LeadBody) -> Arc<LeadState> {
            let record = records::record(lead, 0, Timestamp::from_micros(1), body);
            self.offset += 1;
            self.again.fold(lead, self.offset, &record).unwrap()
        }

        fn begin(&mut self, lead: LeadId) {
            let body = records::received(&ClaimKey("a key".to_owned()), &[1; 32]);
            assert!(self.read(lead, body).received.is_some());
        }

        fn end(&mut self, lead: LeadId) {
            let body = records::outcome(LeadStatus::Unsold, None, Vec::new(), b"");
            assert!(has_ended(&self.read(lead, body)));
        }

        /// Whether a record that comes now finds the beginning of its lead.
        fn knows(&mut self, lead: LeadId) -> bool {
            self.read(lead, records::interrupted()).received.is_some()
        }
    }

    fn leads(count: usize) -> Vec<LeadId> {
        let (at, entropy) = (Timestamp::from_micros(1), SeededEntropy::new(3));
        let entropy: &dyn Entropy = &entropy;
        (0..count).map(|_| LeadId::mint(at, entropy)).collect()
    }

    #[test]
    fn a_lead_is_known_until_enough_have_ended_behind_it() {
        let mut reader = Reader::default();
        let leads = leads(LATE + 1);
        let (first, others) = leads.split_first().unwrap();
        for lead in &leads[..LATE] {
            reader.begin(*lead);
            reader.end(*lead);
        }
        assert!(reader.knows(*first));
        let last = others.last().unwrap();
        reader.begin(*last);
        assert!(
            reader.knows(*first),
            "one that is open takes nobody's place"
        );
        reader.end(*last);
        assert!(!reader.knows(*first));
        assert!(reader.knows(others[0]));
        assert_eq!(reader.again.leads.len(), LATE);
        assert_eq!(reader.again.ended.len(), LATE);
    }

    #[test]
    fn a_lead_beyond_the_most_has_no_beginning_and_takes_nobodys_place() {
        let mut reader = Reader::default();
        let leads = leads(MOST + 1);
        for lead in &leads {
            reader.begin(*lead);
        }
        assert_eq!(reader.again.leads.len(), MOST);
        assert!(!reader.knows(leads[MOST]));
        assert!(reader.knows(leads[0]));
        assert!(reader.knows(leads[MOST - 1]));
        assert_eq!(reader.again.leads.len(), MOST);
    }
}
