//! What a campaign's contracts did lately, as selection asks: how their posts ended, and when each came
//! first the last time. How posts ended routers tell one another (`lately`); turns are each one's own. What
//! was known is in the facts of each lead. Generations of the catalog share it, each with slots of its own.

use std::collections::HashMap;
use std::sync::Arc;

use auction::{Book, History, Screened, Slot, Tally};
use domain::{ContractName, Timestamp};
use parking_lot::Mutex;

/// The histories of one book, by slot.
#[derive(Debug, Clone)]
pub(crate) struct Histories {
    known: Arc<Mutex<Known>>,
    /// Where the contract of each slot is in it.
    places: Arc<[usize]>,
}

#[derive(Debug, Default)]
struct Known {
    /// A contract that was taken out of the catalog and comes back goes on where it was.
    places: HashMap<ContractName, usize>,
    contracts: Vec<Option<Contract>>,
    /// How many turns were taken.
    turns: u64,
}

#[derive(Debug, Clone, Copy)]
struct Contract {
    tally: Tally,
    turn: u64,
    /// Posts that were answered, and with a reject, since the others were told; since when.
    untold: (u32, u32),
    since: Timestamp,
}

impl Histories {
    /// Those of a book that takes the place of another.
    pub(crate) fn new(book: &Book, before: Option<&Self>) -> Self {
        let known = before.map_or_else(Arc::default, |before| Arc::clone(&before.known));
        let places = {
            let mut known = known.lock();
            let terms = book.terms().iter();
            terms.map(|terms| known.place(&terms.contract)).collect()
        };
        Self { known, places }
    }

    fn place(&self, slot: Slot) -> Option<usize> {
        self.places.get(slot.0).copied()
    }

    /// Of the contracts that passed the screen, as of now.
    pub(crate) fn of(&self, screened: &Screened, now: Timestamp) -> Vec<(Slot, History)> {
        let known = self.known.lock();
        let passed = screened.passed.iter();
        let histories = passed.filter_map(|passed| {
            let contract = known.contracts.get(self.place(passed.slot)?)?.as_ref()?;
            let history = History {
                acceptance: contract.tally.at(now),
                turn: contract.turn,
            };
            Some((passed.slot, history))
        });
        histories.collect()
    }

    /// A post of this contract was answered.
    pub(crate) fn answered(&self, slot: Slot, now: Timestamp, rejected: bool) {
        let mut known = self.known.lock();
        let place = self.place(slot);
        if let Some(contract) = place.and_then(|place| known.contract(place, now)) {
            contract.tally.note(now, rejected);
            let (answered, of_them_rejected) = &mut contract.untold;
            if *answered == 0 {
                contract.since = now;
            }
            *answered = answered.saturating_add(1);
            *of_them_rejected = of_them_rejected.saturating_add(u32::from(rejected));
        }
    }

    /// What other routers have not been told: of each contract since when, how many posts were answered and how many
    /// of them with a reject.
    pub(crate) fn tell(&self) -> Vec<(ContractName, Timestamp, u32, u32)> {
        let mut known = self.known.lock();
        let Known {
            places, contracts, ..
        } = &mut *known;
        let untold = places.iter().filter_map(|(name, place)| {
            let contract = contracts.get_mut(*place)?.as_mut()?;
            let (answered, rejected) = std::mem::take(&mut contract.untold);
            (answered > 0).then(|| (name.clone(), contract.since, answered, rejected))
        });
        untold.collect()
    }

    /// What another router told.
    pub(crate) fn hear(
        &self,
        contract: &ContractName,
        at: Timestamp,
        answered: u32,
        rejected: u32,
    ) {
        let mut known = self.known.lock();
        let place = known.places.get(contract).copied();
        if let Some(contract) = place.and_then(|place| known.contract(place, at)) {
            contract.tally.add(at, answered, rejected);
        }
    }

    /// This contract came first: it has had its turn.
    pub(crate) fn came_first(&self, book: &Book, contract: &ContractName, now: Timestamp) {
        let mut known = self.known.lock();
        known.turns += 1;
        let turn = known.turns;
        let place = book.find(contract).and_then(|slot| self.place(slot));
        if let Some(contract) = place.and_then(|place| known.contract(place, now)) {
            contract.turn = turn;
        }
    }
}

impl Known {
    fn place(&mut self, contract: &ContractName) -> usize {
        if let Some(place) = self.places.get(contract) {
            return *place;
        }
        let place = self.contracts.len();
        self.contracts.push(None);
        self.places.insert(contract.clone(), place);
        place
    }

    fn contract(&mut self, place: usize, now: Timestamp) -> Option<&mut Contract> {
        let known = self.contracts.get_mut(place)?;
        Some(known.get_or_insert(Contract {
            tally: Tally::new(now),
            turn: 0,
            untold: (0, 0),
            since: now,
        }))
    }
}
