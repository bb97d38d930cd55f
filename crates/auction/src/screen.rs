//! Eligibility: which contracts may take part, cheap checks before costly, one reason for each other.
//!
//! The static part needs only the book and the lead. What it lets pass is looked up in one batch
//! of [`Facts`]; facts are hints (a hold decides), recorded with the lead so that it can be replayed.

use std::collections::BTreeMap;

use domain::{
    ContractReason, CounterUse, FieldName, FullLead, LeadId, PingFields, PublisherName,
    Reservation, ReservationId, Timestamp,
};
use filter::{Cell, Fields, Verdict};

use crate::{Acceptance, Book, Slot, Terms};

/// The lead as far as it is known: a ping has less of it than a post.
#[derive(Debug, Clone, Copy)]
pub enum LeadView<'a> {
    /// A field that is not here may still come with the post.
    Ping(&'a PingFields),
    /// All there is.
    Full(&'a FullLead),
}

impl Fields for LeadView<'_> {
    fn cell(&self, name: &FieldName) -> Cell<'_> {
        let (value, without) = match self {
            Self::Ping(ping) => (ping.get(name.as_str()), Cell::Later),
            Self::Full(lead) => (lead.get(name.as_str()), Cell::Absent),
        };
        value.map_or(without, Cell::Value)
    }
}

/// What eligibility looks at beside the lead's fields.
#[derive(Debug, Clone)]
pub struct Context {
    /// Whose lead it is.
    pub publisher: PublisherName,
    /// Whether it is a test lead.
    pub test: bool,
    /// Wall time, for calendar windows.
    pub wall: Timestamp,
}

/// Dynamic values, read once for a lead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// What is reserved of each counter asked for.
    pub used: BTreeMap<String, i64>,
    /// What is remembered of contracts, in the order of their slots; nothing of who is not there.
    pub histories: Vec<(Slot, History)>,
}

/// What is remembered of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// How its posts ended lately.
    pub acceptance: Acceptance,
    /// When it came first the last time, counted in turns; 0 if never.
    pub turn: u64,
}

impl Facts {
    pub(crate) fn history(&self, slot: Slot) -> History {
        let at = self.histories.binary_search_by_key(&slot, |(at, _)| *at);
        let found = at.ok().and_then(|at| self.histories.get(at));
        found.map_or_else(History::default, |(_, history)| *history)
    }
}

/// What the static part let pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Screened {
    /// Contracts still in, in the book's order; true if a check waits for the whole lead.
    pub passed: Vec<(Slot, bool)>,
    /// How many others failed, by reason.
    pub excluded: BTreeMap<ContractReason, u32>,
}

impl Screened {
    /// The counters whose use has to be looked up for [`Facts`].
    pub fn counters(&self, book: &Book, context: &Context) -> Vec<String> {
        self.passed
            .iter()
            .filter_map(|(slot, _)| book.get(*slot))
            .flat_map(|terms| counters(terms, context.wall))
            .map(|counter| counter.counter)
            .collect()
    }
}

/// Applies the static part of every contract's order to a lead.
pub fn screen(book: &Book, context: &Context, lead: LeadView<'_>) -> Screened {
    let mut screened = Screened::default();
    for (slot, terms) in book.iter() {
        match check(terms, context, lead) {
            Ok(deferred) => screened.passed.push((slot, deferred)),
            Err(reason) => *screened.excluded.entry(reason).or_default() += 1,
        }
    }
    screened
}

/// The static checks of one contract. `Ok(true)` if one of them waits for the whole lead.
pub(crate) fn check(
    terms: &Terms,
    context: &Context,
    lead: LeadView<'_>,
) -> Result<bool, ContractReason> {
    if !terms.on {
        return Err(ContractReason::Paused);
    }
    if terms.testing != context.test {
        return Err(ContractReason::TestMismatch);
    }
    if !terms.sources.allow(&context.publisher) {
        return Err(ContractReason::SourceBlocked);
    }
    match terms.filter.eval(&lead) {
        Verdict::Pass => Ok(false),
        Verdict::Unknown => Ok(true),
        Verdict::Fail(field) => Err(ContractReason::Filtered(field)),
    }
}

/// Whether the facts leave room under all caps of a contract.
pub(crate) fn room(terms: &Terms, context: &Context, facts: &Facts) -> Result<(), ContractReason> {
    for counter in counters(terms, context.wall) {
        let used = facts.used.get(&counter.counter).copied().unwrap_or(0);
        if used.saturating_add(counter.amount) > counter.limit {
            return Err(ContractReason::Cap(counter.window));
        }
    }
    Ok(())
}

/// What one lead takes of each of a contract's counters, in the windows that `at` falls into.
fn counters(terms: &Terms, at: Timestamp) -> impl Iterator<Item = CounterUse> {
    terms.caps.iter().map(move |cap| CounterUse {
        counter: format!("{}/{}", terms.contract, cap.window.period(at, &terms.zone)),
        window: cap.window,
        amount: 1,
        limit: cap.leads,
    })
}

/// The reservation of one leg under a contract.
pub(crate) fn reservation(terms: &Terms, lead: LeadId, leg: u16, at: Timestamp) -> Reservation {
    Reservation {
        id: ReservationId { lead, leg },
        counters: counters(terms, at).collect(),
    }
}
