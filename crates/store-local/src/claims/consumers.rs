//! Consumers in process: earlier leads by what their consumer is known by, as long as some window
//! of their campaign looks back at them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use domain::{LeadId, Timestamp};
use store::{ConsumerClaim, ConsumerHash, Earlier, Standing, Verdict};

/// Leads that are kept of one hash: of a consumer that comes more often the oldest unsold go first.
const PER_HASH: usize = 64;
/// Leads forgotten per call: more than one call can add.
const STEP: usize = 4;

#[derive(Debug)]
struct Known {
    earlier: Earlier,
    /// Until then nothing but the claim speaks for it: it was not recorded yet.
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
    leads: HashMap<LeadId, Known>,
    by_hash: HashMap<(String, ConsumerHash), Vec<LeadId>>,
    due: BinaryHeap<Reverse<(Timestamp, LeadId)>>,
}

impl Consumers {
    /// Judges a lead by the ones before it, and remembers it if it may go on. What it is remembered
    /// as already is no reason against it.
    pub(super) fn enter(
        &mut self,
        claim: &ConsumerClaim,
        lead: LeadId,
        now: Timestamp,
        lease: Timestamp,
    ) -> Verdict {
        self.forget_due(now);
        if claim.hashes.is_empty() {
            return Verdict::Fresh;
        }
        if let Some(own) = self.leads.get_mut(&lead) {
            own.lease = own.lease.map(|_| lease);
            return Verdict::Fresh;
        }
        let earlier = self.of(&claim.campaign, &claim.hashes, now);
        let verdict = claim.judge(earlier.into_iter(), now);
        if verdict == Verdict::Fresh {
            let earlier = Earlier {
                lead,
                campaign: claim.campaign.clone(),
                publisher: claim.publisher.clone(),
                at: now,
                until: now.plus(claim.remembered),
                standing: Standing::InFlight,
                hashes: claim.hashes.clone(),
                buyers: Vec::new(),
            };
            self.insert(earlier, Some(lease));
        }
        verdict
    }

    /// Earlier leads with one of these hashes.
    pub(super) fn earlier(
        &self,
        campaign: &str,
        hashes: &[ConsumerHash],
        now: Timestamp,
    ) -> Vec<Earlier> {
        self.of(campaign, hashes, now)
            .into_iter()
            .cloned()
            .collect()
    }

    fn of(&self, campaign: &str, hashes: &[ConsumerHash], now: Timestamp) -> Vec<&Earlier> {
        let keys = hashes.iter().map(|hash| (campaign.to_owned(), *hash));
        let mut ids: Vec<LeadId> = keys
            .filter_map(|key| self.by_hash.get(&key))
            .flatten()
            .copied()
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let known = ids.iter().filter_map(|lead| self.leads.get(lead));
        known
            .filter(|known| known.counts(now) && known.earlier.until > now)
            .map(|known| &known.earlier)
            .collect()
    }

    /// A lead as the log knows it; `lead` is forgotten if that says nothing of a consumer.
    pub(super) fn recorded(&mut self, lead: LeadId, earlier: Option<Earlier>, now: Timestamp) {
        let Some(earlier) = earlier else {
            self.forget(lead);
            return;
        };
        match self.leads.get_mut(&lead) {
            Some(known) if known.earlier.hashes == earlier.hashes => {
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

    fn insert(&mut self, earlier: Earlier, lease: Option<Timestamp>) {
        let lead = earlier.lead;
        self.due.push(Reverse((earlier.until, lead)));
        let mut crowded = Vec::new();
        for hash in &earlier.hashes {
            let key = (earlier.campaign.clone(), *hash);
            let leads = self.by_hash.entry(key).or_default();
            if leads.len() >= PER_HASH {
                let unsold = |lead: &&LeadId| {
                    let known = self.leads.get(lead);
                    known.is_some_and(|known| known.earlier.standing == Standing::Unsold)
                };
                crowded.extend(leads.iter().find(unsold).or(leads.first()));
            }
            leads.push(lead);
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
        for hash in &known.earlier.hashes {
            let key = (known.earlier.campaign.clone(), *hash);
            if let Some(leads) = self.by_hash.get_mut(&key) {
                leads.retain(|other| *other != lead);
                if leads.is_empty() {
                    self.by_hash.remove(&key);
                }
            }
        }
    }

    fn forget_due(&mut self, now: Timestamp) {
        for _ in 0..STEP {
            match self.due.peek() {
                Some(Reverse((until, _))) if *until <= now => {}
                _ => return,
            }
            let Some(Reverse((until, lead))) = self.due.pop() else {
                return;
            };
            // It may have been entered anew since, to be remembered for longer.
            let over = self
                .leads
                .get(&lead)
                .is_some_and(|it| it.earlier.until <= until);
            if over {
                self.forget(lead);
            }
        }
    }
}
