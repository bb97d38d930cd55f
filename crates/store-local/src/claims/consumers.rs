//! Consumers in process: earlier leads by what their consumer is known by, as long as some window
//! of their campaign looks back at them and the archive has not taken them.

use std::collections::{BTreeSet, HashMap};

use domain::{LeadId, Timestamp};
use store::{ConsumerClaim, ConsumerHash, Earlier, Standing, StoreError, Verdict};

use crate::archive::{Glance, PER_HASH};
use crate::names::{Name, Names};
use crate::remembered::Remembered;

/// Leads forgotten per call: more than one call can add.
const STEP: usize = 4;

#[derive(Debug)]
struct Known {
    earlier: Remembered,
    /// Until then nothing but the claim speaks for it: it is not posted, and no record of it is folded.
    lease: Option<Timestamp>,
}

impl Known {
    /// A claim whose router died before it recorded anything is nobody's lead.
    fn counts(&self, now: Timestamp) -> bool {
        self.lease.is_none_or(|lease| lease > now)
    }
}

/// All consumers of all campaigns.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    names: Names,
    leads: HashMap<LeadId, Known>,
    /// By campaign and hash, oldest first.
    by_hash: BTreeSet<(Name, ConsumerHash, LeadId)>,
    due: BTreeSet<(Timestamp, LeadId)>,
}

impl Consumers {
    /// Judges a lead by the others, in memory and in the archive, and remembers it if it may go on. One
    /// that is taken over is judged anew: once its lease had lapsed, others may have been let in.
    pub(super) fn enter(
        &mut self,
        claim: &ConsumerClaim,
        lead: LeadId,
        now: Timestamp,
        lease: Timestamp,
        glance: &mut Glance<'_>,
    ) -> Result<Verdict, StoreError> {
        self.forget_due(now);
        if claim.hashes.is_empty() {
            return Ok(Verdict::Fresh);
        }
        let earlier = self.of(&claim.campaign, &claim.hashes, now);
        let earlier = with(earlier, glance.earlier()?);
        let others = earlier.iter().filter(|earlier| earlier.lead != lead);
        let verdict = claim.judge(others, now);
        let own = self.leads.get_mut(&lead);
        let unrecorded = own.as_ref().is_some_and(|own| own.lease.is_some());
        match (own, verdict) {
            (Some(own), Verdict::Fresh) => own.lease = own.lease.map(|_| lease),
            (Some(_), Verdict::Duplicate(_)) if unrecorded => self.forget(lead),
            (Some(_), _) | (None, Verdict::Wait(_) | Verdict::Duplicate(_)) => {}
            (None, Verdict::Fresh) => {
                let earlier = claim.in_flight(lead, now);
                let earlier = Remembered::new(&earlier, &mut self.names);
                self.insert(earlier, Some(lease));
            }
        }
        Ok(verdict)
    }

    /// A lead may be with a buyer from now on: only its records end that, however late they are folded.
    pub(super) fn posted(&mut self, lead: LeadId) {
        if let Some(known) = self.leads.get_mut(&lead) {
            known.lease = None;
        }
    }

    /// Earlier leads with one of these hashes.
    pub(super) fn earlier(
        &self,
        campaign: &str,
        hashes: &[ConsumerHash],
        now: Timestamp,
    ) -> Vec<Earlier> {
        self.of(campaign, hashes, now)
    }

    fn of(&self, campaign: &str, hashes: &[ConsumerHash], now: Timestamp) -> Vec<Earlier> {
        let Some(campaign) = self.names.find(campaign) else {
            return Vec::new();
        };
        let mut ids: Vec<LeadId> = hashes
            .iter()
            .flat_map(|hash| self.with(campaign, *hash))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let known = ids.iter().filter_map(|lead| self.leads.get(lead));
        known
            .filter(|known| known.counts(now) && known.earlier.until > now)
            .map(|known| known.earlier.earlier(&self.names))
            .collect()
    }

    /// Leads of a campaign with this hash.
    fn with(&self, campaign: Name, hash: ConsumerHash) -> impl Iterator<Item = LeadId> {
        let least = (campaign, hash, LeadId::from_bytes([0; 16]));
        let most = (campaign, hash, LeadId::from_bytes([u8::MAX; 16]));
        self.by_hash.range(least..=most).map(|(.., lead)| *lead)
    }

    /// A lead as the log knows it; `lead` is forgotten if that says nothing of a consumer.
    pub(super) fn recorded(&mut self, lead: LeadId, earlier: Option<Earlier>, now: Timestamp) {
        let Some(earlier) = earlier else {
            self.forget(lead);
            return;
        };
        let earlier = Remembered::new(&earlier, &mut self.names);
        match self.leads.get_mut(&lead) {
            Some(known) if known.earlier.is_indexed_as(&earlier) => {
                self.due.remove(&(known.earlier.until, lead));
                self.due.insert((earlier.until, lead));
                known.earlier = earlier;
                known.lease = None;
            }
            _ if earlier.until <= now => {}
            _ => {
                self.forget(lead);
                self.insert(earlier, None);
            }
        }
    }

    fn insert(&mut self, earlier: Remembered, lease: Option<Timestamp>) {
        let lead = earlier.lead;
        self.due.insert((earlier.until, lead));
        let mut crowded = Vec::new();
        for hash in &earlier.hashes {
            let leads: Vec<LeadId> = self.with(earlier.campaign, *hash).collect();
            if leads.len() >= PER_HASH {
                let unsold = |lead: &&LeadId| {
                    let known = self.leads.get(lead);
                    known.is_some_and(|known| known.earlier.standing == Standing::Unsold)
                };
                crowded.extend(leads.iter().find(unsold).or(leads.first()));
            }
            self.by_hash.insert((earlier.campaign, *hash, lead));
        }
        self.leads.insert(lead, Known { earlier, lease });
        for lead in crowded {
            self.forget(lead);
        }
    }

    /// Forgets a lead of which nothing was recorded, or whose time is over.
    pub(super) fn forget(&mut self, lead: LeadId) {
        let Some(known) = self.leads.remove(&lead) else {
            return;
        };
        self.due.remove(&(known.earlier.until, lead));
        for hash in &known.earlier.hashes {
            self.by_hash.remove(&(known.earlier.campaign, *hash, lead));
        }
    }

    fn forget_due(&mut self, now: Timestamp) {
        for _ in 0..STEP {
            match self.due.first() {
                Some(&(until, lead)) if until <= now => self.forget(lead),
                _ => return,
            }
        }
    }
}

/// Leads that memory and the archive know, oldest first; what memory says comes first.
pub(super) fn with(mut memory: Vec<Earlier>, archive: Vec<Earlier>) -> Vec<Earlier> {
    if archive.is_empty() {
        return memory;
    }
    let known: BTreeSet<LeadId> = memory.iter().map(|earlier| earlier.lead).collect();
    let archived = archive.into_iter();
    memory.extend(archived.filter(|earlier| !known.contains(&earlier.lead)));
    memory.sort_unstable_by_key(|earlier| earlier.lead);
    memory
}
