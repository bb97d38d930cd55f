//! Persons whose leads come under several keys and publishers, and what the campaign's rules make of it:
//! what the store says of a lead is judged by the model's own list of the leads before it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use domain::{LeadId, LeadStatus, Timestamp};
use proto::{LeadBody, LeadRecord, LeadState};
use store::{
    Admission, AdmitRequest, Against, ClaimKey, ConsumerClaim, ConsumerHash, DuplicateRule,
    Earlier, KeySet, Verdict,
};

/// Longer than all that happens.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// Who sends the leads of a key.
pub(super) fn publisher(number: u64) -> String {
    format!("pub{}", number % 2)
}

/// Whose lead is sent under a key: a number and an address, each of which others may share. Nobody looks
/// at who some of them are.
pub(super) fn consumer(number: u64, persons: u64) -> ConsumerClaim {
    if number.is_multiple_of(3) {
        return ConsumerClaim::default();
    }
    let hash = |kind: u8, of: u64| -> ConsumerHash {
        [kind, of as u8].repeat(8).try_into().unwrap_or([0; 16])
    };
    let phone = hash(1, number % persons);
    let email = hash(2, number / 2 % persons);
    let keys = |fields: &[ConsumerHash], all| KeySet {
        fields: fields.iter().map(|field| vec![*field]).collect(),
        all,
    };
    let rule = |keys, seconds, own: bool, against| DuplicateRule {
        keys,
        window: Duration::from_secs(seconds),
        publisher: own.then(|| publisher(number)),
        against,
    };
    ConsumerClaim {
        campaign: "solar".to_owned(),
        publisher: publisher(number),
        hashes: vec![phone, email],
        rules: vec![
            rule(keys(&[phone, email], false), 60, false, Against::Sold),
            rule(keys(&[phone], false), 180, true, Against::All),
            rule(keys(&[phone, email], true), 600, false, Against::Sold),
        ],
        locks: vec![keys(&[email], false)],
        remembered: REMEMBERED,
        patient: true,
    }
}

/// A lead that the fence let in.
struct Entered {
    claim: ConsumerClaim,
    at: Timestamp,
    /// Since when it bars others: a lead that is taken over came when it came first.
    since: Timestamp,
    /// The how manyth to be let in.
    place: usize,
}

/// What the model knows of persons.
#[derive(Default)]
pub(super) struct People {
    owners: RefCell<BTreeMap<ClaimKey, LeadId>>,
    entered: RefCell<BTreeMap<LeadId, Entered>>,
    /// Leads as the worker has folded them.
    folded: RefCell<BTreeMap<LeadId, LeadState>>,
    /// What later leads are measured by, each with the lease of a claim that nothing else speaks for.
    earlier: RefCell<BTreeMap<LeadId, (Earlier, Option<Timestamp>)>>,
}

impl People {
    /// The store has said this of a lead.
    pub(super) fn judged(&self, request: &AdmitRequest, now: Timestamp, said: &Admission) {
        let claim = &request.consumer;
        let said = match said {
            Admission::Granted(_) => "fresh".to_owned(),
            Admission::Duplicate(_) => "a duplicate".to_owned(),
            Admission::Busy(view) => format!("waits for {}", view.lead),
            Admission::Held(_)
            | Admission::Conflict
            | Admission::QuoteUsed
            | Admission::QuoteVoid => return,
        };
        // A lead that is taken over has the id that it had.
        let owner = self.owners.borrow().get(&request.key).copied();
        let lead = owner.unwrap_or(request.lead);
        let mut earlier = self.earlier.borrow_mut();
        let known = earlier
            .iter()
            .filter(|(other, (_, lease))| **other != lead && lease.is_none_or(|lease| lease > now));
        let verdict = claim.judge(known.map(|(_, (earlier, _))| earlier), now);
        let expected = match verdict {
            Verdict::Fresh => "fresh".to_owned(),
            Verdict::Duplicate(_) => "a duplicate".to_owned(),
            Verdict::Wait(first) => format!("waits for {first}"),
        };
        assert_eq!(said, expected, "{lead} of {:?}: {verdict:?}", claim.hashes);
        match verdict {
            Verdict::Wait(_) => return,
            Verdict::Fresh | Verdict::Duplicate(_) => {
                self.owners.borrow_mut().insert(request.key.clone(), lead);
            }
        }
        let lease = now.plus(request.lease);
        match (earlier.get_mut(&lead), verdict) {
            (Some((_, held)), Verdict::Fresh) => *held = held.map(|_| lease),
            (Some((_, Some(_))), _) => drop(earlier.remove(&lead)),
            (None, Verdict::Fresh) if !claim.hashes.is_empty() => {
                let known = claim.in_flight(lead, now);
                earlier.insert(lead, (known, Some(lease)));
            }
            _ => {}
        }
        if verdict == Verdict::Fresh {
            let mut entered = self.entered.borrow_mut();
            let places = entered.values().map(|entered| entered.place + 1);
            let known = earlier.get(&lead).map(|(known, _)| known.at);
            let entry = Entered {
                claim: claim.clone(),
                at: now,
                since: known.unwrap_or(now),
                place: places.max().unwrap_or(0),
            };
            entered.insert(lead, entry);
        }
    }

    /// Its router may post it from now on: no lease ends that.
    pub(super) fn posting(&self, lead: LeadId) {
        if let Some((_, lease)) = self.earlier.borrow_mut().get_mut(&lead) {
            *lease = None;
        }
    }

    /// The worker has folded a record.
    pub(super) fn folded(&self, offset: u64, record: &LeadRecord) {
        let lead = record.lead_id().unwrap();
        let mut folded = self.folded.borrow_mut();
        let before = folded.remove(&lead);
        let again = before.as_ref().is_some_and(|state| offset < state.applied);
        let (state, _) = store::fold::apply(before, offset, record).unwrap();
        let mut earlier = self.earlier.borrow_mut();
        match Earlier::of(&state).unwrap() {
            // What was claimed since is nothing that the record knows of.
            _ if again => {}
            Some(known) => drop(earlier.insert(lead, (known, None))),
            None => drop(earlier.remove(&lead)),
        }
        folded.insert(lead, state);
    }

    /// The process has begun anew, and knows what its log says and nothing else.
    pub(super) fn restarted(&self, leads: &BTreeMap<LeadId, LeadState>) {
        let known = leads.iter().filter_map(|(lead, state)| {
            let known = Earlier::of(state).unwrap()?;
            Some((*lead, (known, None)))
        });
        self.earlier.replace(known.collect());
        let owners = leads.iter().filter_map(|(lead, state)| {
            let claim = state.received.as_ref()?.claim.as_ref()?;
            Some((ClaimKey(claim.key.clone()), *lead))
        });
        self.owners.replace(owners.collect());
        self.folded.replace(leads.clone());
    }

    /// Inside a rule's window a person's lead is sold once.
    pub(super) fn check(&self, leads: &BTreeMap<LeadId, LeadState>) {
        let entered = self.entered.borrow();
        let sold = entered.iter().filter(|(lead, _)| {
            let status = leads.get(lead).map(LeadState::lead_status);
            matches!(status, Some(Ok(LeadStatus::Sold)))
        });
        for (first, one) in sold.clone() {
            for (second, other) in sold.clone().filter(|(_, other)| other.place > one.place) {
                let bars = |rule: &&DuplicateRule| {
                    let whose = rule.publisher.as_ref();
                    rule.keys.matches(&one.claim.hashes)
                        && whose.is_none_or(|whose| *whose == one.claim.publisher)
                        && one.since.plus(rule.window) > other.at
                };
                let barred = other.claim.rules.iter().find(bars);
                assert_eq!(barred, None, "{first} and {second} are both sold");
            }
        }
    }
}

/// What `received` says of the consumer.
pub(super) fn received(body: &mut LeadBody, claim: &ConsumerClaim) {
    if let LeadBody::Received(received) = body {
        received.publisher.clone_from(&claim.publisher);
        received.consumers = claim.hashes.iter().map(|hash| hash.to_vec()).collect();
        received.remembered_us = claim.remembered.as_micros() as i64;
    }
}
