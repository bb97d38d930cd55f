//! What a campaign's contracts did lately, as selection asks: how their posts ended, and when each came
//! first the last time. Kept in the process; a router that starts anew knows nothing, and says so in
//! the facts of each lead.

use auction::{Book, History, Screened, Slot, Tally};
use domain::{ContractName, Timestamp};
use parking_lot::Mutex;

/// The histories of one book, by slot.
#[derive(Debug)]
pub(crate) struct Histories {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    contracts: Vec<Option<Contract>>,
    /// How many turns were taken.
    turns: u64,
}

#[derive(Debug, Clone, Copy)]
struct Contract {
    tally: Tally,
    turn: u64,
}

impl Histories {
    pub(crate) fn new(book: &Book) -> Self {
        let known = Known {
            contracts: vec![None; book.terms().len()],
            turns: 0,
        };
        Self {
            known: Mutex::new(known),
        }
    }

    /// Of the contracts that passed the screen, as of now.
    pub(crate) fn of(&self, screened: &Screened, now: Timestamp) -> Vec<(Slot, History)> {
        let known = self.known.lock();
        let passed = screened.passed.iter();
        let histories = passed.filter_map(|passed| {
            let contract = known.contracts.get(passed.slot.0)?.as_ref()?;
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
        if let Some(contract) = known.contract(slot, now) {
            contract.tally.note(now, rejected);
        }
    }

    /// This contract came first: it has had its turn.
    pub(crate) fn came_first(&self, book: &Book, contract: &ContractName, now: Timestamp) {
        let mut known = self.known.lock();
        known.turns += 1;
        let turn = known.turns;
        let slot = book.find(contract);
        if let Some(contract) = slot.and_then(|slot| known.contract(slot, now)) {
            contract.turn = turn;
        }
    }
}

impl Known {
    fn contract(&mut self, slot: Slot, now: Timestamp) -> Option<&mut Contract> {
        let place = self.contracts.get_mut(slot.0)?;
        Some(place.get_or_insert(Contract {
            tally: Tally::new(now),
            turn: 0,
        }))
    }
}
