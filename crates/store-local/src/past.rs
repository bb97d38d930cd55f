//! Leads that have ended. Memory, and later the archive, keeps where their records are; whoever asks for
//! one again has it folded from the log anew, which takes about a millisecond.

use std::time::Duration;

use domain::{LeadId, Timestamp};
use proto::{LeadRecord, LeadState, Message as _};
use store::{LogError, StoreError};

use crate::claims::KEPT;
use crate::log::Topic;

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;
/// Records between two of one lead that are skipped rather than sought past.
const NEAR: u64 = 2048;
/// A lead may be remembered for so much longer than it is kept.
const SLACK: Duration = Duration::from_secs(3600);

/// What is kept of a lead that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) at: Timestamp,
    /// Offset of its last record, plus one.
    pub(crate) applied: u64,
    /// The number of its last leg.
    pub(crate) legs: u16,
    /// Offsets of its records, ascending.
    pub(crate) records: Box<[u64]>,
}

impl Ended {
    pub(crate) fn new(state: &LeadState, records: &[u64]) -> Self {
        Self {
            at: Timestamp::from_micros(state.ended_at_us),
            applied: state.applied,
            legs: last_leg(state),
            records: records.into(),
        }
    }
}

/// The number of a lead's last leg; 0 if it has none.
pub(crate) fn last_leg(state: &LeadState) -> u16 {
    let last = state.legs.last().and_then(|leg| leg.number().ok());
    last.unwrap_or(0)
}

/// The way back to topic `leads`.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    leads: Topic,
    retention: Duration,
}

impl Past {
    pub(crate) fn new(leads: Topic, retention: Duration) -> Self {
        Self { leads, retention }
    }

    /// Whether the log has the records of this ended lead as long as it is remembered. Memory's log
    /// forgets what everybody has read.
    pub(crate) fn keeps(&self, state: &LeadState) -> bool {
        let received = Timestamp::from_micros(state.received_at_us);
        let took = Timestamp::from_micros(state.ended_at_us).since(received);
        matches!(self.leads, Topic::Files(_)) && took + KEPT + SLACK <= self.retention
    }

    /// Folds a lead again; none once its records were cut off the log. Reads files.
    pub(crate) fn read(
        &self,
        lead: LeadId,
        partition: usize,
        records: &[u64],
    ) -> Result<Option<LeadState>, StoreError> {
        let starts = self.leads.starts();
        let start = starts.get(partition).copied().unwrap_or(u64::MAX);
        if records.first().is_none_or(|first| *first < start) {
            return Ok(None);
        }
        let mut state = None;
        let mut wanted = records.iter().copied().peekable();
        while let Some(first) = wanted.peek().copied() {
            let mut from = vec![u64::MAX; starts.len()];
            from.iter_mut()
                .skip(partition)
                .take(1)
                .for_each(|it| *it = first);
            let mut reader = self.leads.reader(from).map_err(unavailable)?;
            // Until the next is far, or there is none.
            while let Some(next) = wanted.peek().copied() {
                let mut seen = None;
                for run in reader.next_now(CHUNK).map_err(unavailable)? {
                    for record in run.records {
                        seen = Some(record.offset);
                        if wanted.next_if_eq(&record.offset).is_some() {
                            let read = LeadRecord::decode(record.payload)
                                .map_err(proto::RecordError::from)?;
                            if read.lead_id()? != lead {
                                return Err(misplaced(lead));
                            }
                            state = Some(store::fold::apply(state, record.offset, &read)?.0);
                        }
                    }
                }
                match seen {
                    None => return Err(misplaced(lead)),
                    Some(seen) if next > seen.saturating_add(NEAR) => break,
                    Some(_) => {}
                }
            }
        }
        Ok(state)
    }
}

fn unavailable(error: LogError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn misplaced(lead: LeadId) -> StoreError {
    StoreError::Corrupt(format!("the log has no record of {lead} where one was"))
}
