//! What the world outside the process remembers, and the laws.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use domain::{CounterKey, CounterUse, LeadId, LeadReason, LeadStatus, LegState, Timestamp};
use proto::{LeadBody, LeadRecord, LeadState, Message};
use store::{Backend, Caps, ClaimKey, Claims, Consumer, Delivery, EventLog, Position, Topic};

use super::people::People;
use super::{Plan, Tally};
use crate::{FakeClock, SeededEntropy, records};

/// How a buyer takes a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Accept,
    Reject,
    /// The post never left.
    Unsent,
    /// It never answers; whether it took the lead comes out later.
    Unclear,
    /// It will say later, and may not; then its contract says whether it took the lead.
    Pending,
    /// It never answered, and the lead went on: what it says later is not billed.
    Abandoned,
}

pub(super) struct Model {
    pub(super) clock: FakeClock,
    pub(super) entropy: Rc<SeededEntropy>,
    pub(super) plan: Plan,
    pub(super) tally: Cell<Tally>,
    pub(super) people: People,
    /// The lead whose `received` was first acknowledged under a key.
    claimed: RefCell<BTreeMap<ClaimKey, LeadId>>,
    /// Final answers that publishers heard.
    heard: RefCell<BTreeMap<ClaimKey, Vec<u8>>>,
    /// Posts that left, and what the buyers said.
    posts: RefCell<BTreeMap<LeadId, Vec<Reply>>>,
    /// Acknowledged as durable.
    acknowledged: RefCell<BTreeMap<(u16, u64), Bytes>>,
    /// The log as the auditor has read it.
    log: RefCell<BTreeMap<(u16, u64), Bytes>>,
    /// The auditor's own fold of it.
    leads: RefCell<BTreeMap<LeadId, LeadState>>,
    synced: Cell<bool>,
    /// Records the log has taken or will take: where its ends will be.
    queued: Cell<u64>,
    idle: Cell<bool>,
}

/// Contracts of one buyer, each with caps of its own beside the buyer's.
pub(super) const CONTRACTS: u64 = 3;

impl Model {
    pub(super) fn new(clock: FakeClock, entropy: Rc<SeededEntropy>, plan: Plan) -> Self {
        Self {
            clock,
            entropy,
            plan,
            tally: Cell::default(),
            people: People::default(),
            claimed: RefCell::default(),
            heard: RefCell::default(),
            posts: RefCell::default(),
            acknowledged: RefCell::default(),
            log: RefCell::default(),
            leads: RefCell::default(),
            synced: Cell::new(false),
            queued: Cell::new(0),
            idle: Cell::new(false),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        domain::Clock::wall(&self.clock)
    }

    pub(super) fn count(&self, what: impl FnOnce(&mut Tally)) {
        let mut tally = self.tally.get();
        what(&mut tally);
        self.tally.set(tally);
    }

    /// What a lead costs under a contract.
    pub(super) fn price(contract: u64) -> i64 {
        [7_000_001, 5_000_000, 11_999_999]
            .into_iter()
            .nth(contract as usize)
            .unwrap_or(1)
    }

    /// The counters of a contract. Days are short here, so that units outlive theirs.
    pub(super) fn counters(&self, contract: u64) -> Vec<CounterUse> {
        let day = self.now().as_micros() / 600_000_000;
        let (cap, price) = (self.plan.cap, Self::price(contract));
        let money = |counter: String, leads: i64| {
            // Some micros beside a round number of leads, so that the last one does not fit.
            records::taking(&counter, price, leads * 8_000_000 + 3)
        };
        vec![
            money("b:b/balance".to_owned(), 3 * cap),
            records::unit(&format!("c:b/c{contract}/d{day}"), cap),
            records::unit(&format!("c:b/c{contract}/total"), cap + 2),
            records::unit(&format!("c:b/c{contract}/d{day}:sent"), cap + 1),
            money(format!("c:b/c{contract}/d{day}:money:sent"), cap + 1),
            records::unit(&format!("b:b/d{day}"), 2 * cap),
            money(format!("b:b/d{day}:money"), 2 * cap),
        ]
    }

    /// A record is on its way into the log.
    pub(super) fn queued(&self) {
        self.queued.set(self.queued.get() + 1);
    }

    /// Waits until the log has written all that was queued: what the worker sees, and what a crash
    /// leaves, then depends on the seed alone.
    pub(super) async fn written<B: Backend>(&self, store: &B) {
        while store.log().ends(Topic::Leads).iter().sum::<u64>() < self.queued.get() {
            tokio::task::yield_now().await;
        }
    }

    /// A record is durable, and all before it.
    pub(super) fn acknowledged(&self, position: Position, record: Bytes) {
        self.synced.set(true);
        let place = (position.partition, position.offset);
        let before = self.acknowledged.borrow_mut().insert(place, record);
        assert!(before.is_none(), "{place:?} was given out twice");
    }

    /// Whether a record became durable since this was asked last.
    pub(super) fn take_synced(&self) -> bool {
        self.synced.take()
    }

    pub(super) fn set_idle(&self) {
        self.idle.set(true);
    }

    pub(super) fn set_busy(&self) {
        self.idle.set(false);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.idle.get()
    }

    pub(super) fn crashed(&self) {
        self.synced.set(false);
        self.set_busy();
        self.count(|tally| tally.crashes += 1);
    }

    /// What the process knows by now is what its log says.
    pub(super) fn restarted(&self) {
        self.people.restarted(&self.leads.borrow());
    }

    /// The publisher may rely on this lead from now on.
    pub(super) fn claimed(&self, key: &ClaimKey, lead: LeadId) {
        let known = *self.claimed.borrow_mut().entry(key.clone()).or_insert(lead);
        assert_eq!(known, lead, "{key:?} belongs to two leads");
    }

    /// A publisher is told of a lead under its key, and of the answer if that is final.
    pub(super) fn told(&self, key: &ClaimKey, lead: LeadId, answer: Option<&[u8]>) {
        if let Some(known) = self.claimed.borrow().get(key) {
            assert_eq!(*known, lead, "{key:?} belongs to two leads");
        }
        let Some(answer) = answer else {
            let heard = self.heard.borrow();
            assert!(
                !heard.contains_key(key),
                "the answer to {key:?} was forgotten"
            );
            return;
        };
        match self.heard.borrow_mut().entry(key.clone()) {
            std::collections::btree_map::Entry::Vacant(first) => {
                first.insert(answer.to_vec());
            }
            std::collections::btree_map::Entry::Occupied(heard) => {
                assert_eq!(heard.get(), answer, "another answer to {key:?}");
                self.count(|tally| tally.repeats += 1);
            }
        }
    }

    /// A post leaves. The buyer decides.
    pub(super) fn post(&self, lead: LeadId) -> Reply {
        let mut posts = self.posts.borrow_mut();
        let posts = posts.entry(lead).or_default();
        let over = [Reply::Reject, Reply::Unsent, Reply::Abandoned];
        let free = posts.iter().all(|reply| over.contains(reply));
        assert!(
            free,
            "{lead} is posted while a buyer may have it: {posts:?}"
        );
        let replies = [
            Reply::Accept,
            Reply::Accept,
            Reply::Reject,
            Reply::Reject,
            Reply::Unclear,
            Reply::Unclear,
            Reply::Pending,
            Reply::Pending,
        ];
        posts.push(*self.entropy.pick(&replies));
        posts.last().copied().unwrap_or(Reply::Unclear)
    }

    /// The log has it that the last post of this lead is void.
    pub(super) fn abandoned(&self, lead: LeadId) {
        let mut posts = self.posts.borrow_mut();
        if let Some(last) = posts.get_mut(&lead).and_then(|posts| posts.last_mut()) {
            *last = Reply::Abandoned;
        }
        self.count(|tally| tally.abandoned += 1);
    }

    /// No counter passes its cap at any instant.
    pub(super) async fn check_caps<B: Backend>(&self, store: &B) {
        for contract in 0..CONTRACTS {
            for take in self.counters(contract) {
                let used = store.caps().used(std::slice::from_ref(&take.key)).await;
                let used = used.unwrap()[0];
                assert!(
                    used <= take.limit,
                    "{used} of {} in {}",
                    take.limit,
                    take.key
                );
            }
        }
    }

    /// Reads the log to its end as a consumer of its own, and folds it.
    async fn read<B: Backend>(&self, store: &B) {
        let ends = store.log().ends(Topic::Leads);
        self.queued.set(ends.iter().sum());
        // A power cut may have taken what nobody was promised.
        self.log
            .borrow_mut()
            .retain(|(partition, offset), _| *offset < ends[usize::from(*partition)]);
        let mut consumer = store
            .log()
            .subscribe("auditor", &[Topic::Leads])
            .await
            .unwrap();
        while let Some(delivery) = consumer.next(Duration::ZERO).await.unwrap() {
            if let Delivery::Records {
                partition, records, ..
            } = delivery
            {
                let last = records.last().map_or(0, |record| record.offset);
                let places = records
                    .into_iter()
                    .map(|record| ((partition, record.offset), record.payload));
                self.log.borrow_mut().extend(places);
                let commit = consumer
                    .commit(&[(Topic::Leads, partition, last + 1)])
                    .await;
                commit.unwrap();
            }
        }
        let log = self.log.borrow();
        for (partition, end) in ends.iter().enumerate() {
            let read = log
                .range((partition as u16, 0)..=(partition as u16, u64::MAX))
                .count();
            assert_eq!(read as u64, *end, "records of partition {partition}");
        }
        for (place, record) in self.acknowledged.borrow().iter() {
            assert_eq!(
                log.get(place),
                Some(record),
                "an acknowledged record at {place:?}"
            );
        }
        let mut leads: BTreeMap<LeadId, LeadState> = BTreeMap::new();
        for ((_, offset), bytes) in log.iter() {
            let record = LeadRecord::decode(bytes.clone()).unwrap();
            if matches!(record.body, Some(LeadBody::Quoted(_))) {
                continue;
            }
            let lead = record.lead_id().unwrap();
            let (state, _) = store::fold::apply(leads.remove(&lead), *offset, &record).unwrap();
            leads.insert(lead, state);
        }
        self.leads.replace(leads);
    }

    /// Compares the store with the log. No hold may be alive.
    pub(super) async fn audit<B: Backend>(&self, store: &B) {
        self.read(store).await;
        let mut reserved: BTreeMap<CounterKey, i64> = BTreeMap::new();
        let leads = self.leads.borrow().clone();
        for (lead, state) in &leads {
            let view = store.claims().lead(*lead).await.unwrap();
            let view = view.unwrap_or_else(|| panic!("{lead} is forgotten"));
            assert_eq!(view.state.as_deref(), Some(state), "the state of {lead}");
            for leg in &state.legs {
                let usage = leg.usage().unwrap();
                for take in leg.reservation(*lead).unwrap().counters {
                    let taken = usage.is_none_or(|usage| take.is_used(usage));
                    *reserved.entry(take.key).or_default() += i64::from(taken) * take.amount;
                }
            }
        }
        for (counter, expected) in reserved {
            let used = store.caps().used(std::slice::from_ref(&counter)).await;
            assert_eq!(used.unwrap(), [expected], "reserved of {counter}");
        }
    }

    /// Leads of the log that have not ended.
    pub(super) fn unfinished(&self) -> BTreeSet<LeadId> {
        let leads = self.leads.borrow();
        let open = leads.iter().filter(|(_, state)| {
            let open_leg = state
                .legs
                .iter()
                .any(|leg| !matches!(leg.leg_state(), Ok(LegState::Accepted | LegState::Rejected)));
            open_leg || !state.lead_status().is_ok_and(LeadStatus::is_final)
        });
        open.map(|(lead, _)| *lead).collect()
    }

    /// Every lead has one outcome, and it says what its legs say.
    pub(super) fn check_outcomes(&self) -> Tally {
        self.people.check(&self.leads.borrow());
        for (lead, state) in self.leads.borrow().iter() {
            let accepted = state
                .legs
                .iter()
                .filter(|leg| leg.leg_state() == Ok(LegState::Accepted));
            let accepted = accepted.count();
            let status = state.lead_status().unwrap();
            let expected = match status {
                LeadStatus::Sold => 1,
                LeadStatus::Unsold | LeadStatus::Duplicate => 0,
                other => panic!("{lead} ended as {other}"),
            };
            assert_eq!(
                accepted, expected,
                "accepted legs of {lead}, which is {status}: {state:?}"
            );
            let interrupted = state.lead_reason() == Ok(Some(LeadReason::Interrupted));
            self.count(|tally| {
                tally.leads += 1;
                tally.sold += u64::from(status == LeadStatus::Sold);
                tally.duplicates += u64::from(status == LeadStatus::Duplicate);
                tally.interrupted += u64::from(interrupted);
            });
        }
        self.tally.get()
    }

    /// All leads, as the auditor last saw them.
    pub(super) fn leads(&self) -> Vec<LeadId> {
        self.leads.borrow().keys().copied().collect()
    }
}
