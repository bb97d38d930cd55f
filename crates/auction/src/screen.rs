//! Eligibility: which contracts may take part, cheap checks before costly, one reason for each other.
//!
//! The static part needs only the book and the lead. What it lets pass is looked up in one batch
//! of [`Facts`]; facts are hints (a hold decides), recorded with the lead so that it can be replayed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::{
    BuyerName, ContractName, ContractReason, CounterKey, FieldName, FullLead, PingFields,
    PublisherName, Timestamp,
};
use filter::{Cell, Fields, Filter};

use crate::eligible::judge;
use crate::price::Named;
use crate::questions::Known;
use crate::{Acceptance, Book, Rules, Shut, Slot, Terms, limits};

/// The lead as far as it is known: a ping has less of it than a post.
#[derive(Debug, Clone, Copy)]
pub enum LeadView<'a> {
    /// A field that is not here may still come with the post.
    Ping(&'a PingFields),
    /// All there is.
    Full(&'a FullLead),
    /// What a record of the whole lead tells without being unsealed.
    Recorded {
        /// The fields that are in clear.
        fields: &'a PingFields,
        /// Those that are sealed, if the lead had them at all.
        sealed: &'a BTreeSet<FieldName>,
    },
}

impl Fields for LeadView<'_> {
    fn cell(&self, name: &str) -> Cell<'_> {
        let (value, without) = match self {
            Self::Ping(ping) => (ping.get(name), Cell::Later),
            Self::Full(lead) => (lead.get(name), Cell::Absent),
            Self::Recorded { fields, sealed } => {
                let without = match sealed.contains(name) {
                    true => Cell::Later,
                    false => Cell::Absent,
                };
                (fields.get(name), without)
            }
        };
        value.map_or(without, Cell::Value)
    }
}

/// What eligibility looks at beside the lead's fields.
#[derive(Debug, Clone)]
pub struct Context {
    /// Whose lead it is.
    pub publisher: PublisherName,
    /// Its sub ids, `s1` to `s10`.
    pub sub: Arc<BTreeMap<String, String>>,
    /// Buyers that the publisher excludes.
    pub exclude: Arc<BTreeSet<BuyerName>>,
    /// How often the publisher sold the lead elsewhere.
    pub already_sold: u8,
    /// Whether it is a test lead.
    pub test: bool,
    /// Wall time, for calendar windows.
    pub wall: Timestamp,
    /// What is known of the consumer.
    pub consumer: Consumer,
}

/// What is known of a lead's consumer, apart from the fields; read once, and recorded with the lead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consumer {
    /// Whether its consent comes with the lead.
    pub consented: bool,
    /// Contracts that do not take it: on one of their suppression lists, or the buyer had it before.
    pub barred: BTreeMap<ContractName, Bar>,
}

/// Why a contract does not take a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bar {
    /// It is on a suppression list.
    Suppressed,
    /// The buyer had it before.
    Duplicate,
}

impl Bar {
    /// The contract's reason.
    pub const fn reason(self) -> ContractReason {
        match self {
            Self::Suppressed => ContractReason::Suppressed,
            Self::Duplicate => ContractReason::BuyerDuplicate,
        }
    }
}

impl Context {
    /// A live lead of a publisher, without anything special.
    pub fn new(publisher: PublisherName, wall: Timestamp) -> Self {
        Self {
            publisher,
            sub: Arc::default(),
            exclude: Arc::default(),
            already_sold: 0,
            test: false,
            wall,
            consumer: Consumer::default(),
        }
    }
}

/// Dynamic values, read once for a lead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// What is reserved of each counter asked for.
    pub used: BTreeMap<CounterKey, i64>,
    /// What is remembered of contracts, in the order of their slots; nothing of who is not there.
    pub histories: Vec<(Slot, History)>,
    /// Contracts that are shut at the moment, in the order of their slots.
    pub shut: Vec<(Slot, Shut)>,
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

    pub(crate) fn shut(&self, slot: Slot) -> Option<Shut> {
        let at = self.shut.binary_search_by_key(&slot, |(at, _)| *at).ok()?;
        self.shut.get(at).map(|(_, shut)| *shut)
    }
}

/// What the static part let pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Screened {
    /// Contracts still in, in the book's order.
    pub passed: Vec<Passed>,
    /// How many others failed, by reason.
    pub excluded: BTreeMap<ContractReason, u32>,
}

/// A contract that the static part let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Its place in the book.
    pub slot: Slot,
    /// Whether a check, or its price, waits for the whole lead.
    pub deferred: bool,
    /// The price it names by itself; none if it bids.
    pub named: Option<Named>,
}

impl Screened {
    /// The counters whose use has to be looked up for [`Facts`].
    pub fn counters(&self, book: &Book, rules: &Rules, context: &Context) -> Vec<CounterKey> {
        let passed = self.passed.iter();
        let passed = passed.filter_map(|passed| book.get(passed.slot));
        let mut counters: Vec<CounterKey> = passed
            .flat_map(|terms| limits::counters(terms, rules, context))
            .map(|(counter, _)| counter)
            .collect();
        // Contracts of one buyer share its counters, and all share the publisher's.
        counters.sort_unstable();
        counters.dedup();
        counters
    }
}

/// Room for so many contracts that pass, to begin with.
const FEW: usize = 64;

/// Applies the static part of every contract's order to a lead.
pub fn screen(book: &Book, context: &Context, lead: LeadView<'_>) -> Screened {
    let mut known = Known::of(book, context, &lead);
    let named_by_it = book.named_by(context);
    let mut passed = Vec::with_capacity(book.terms().len().min(FEW));
    let mut excluded = BTreeMap::new();
    for ((slot, terms), asked) in book.iter().zip(book.questions().of()) {
        if named_by_it.contains(&slot)
            && let Err(failed) = judge(terms, context, &lead, &mut None)
        {
            *excluded.entry(failed.reason).or_default() += 1;
            continue;
        }
        let Some(waits) = known.passes(*asked) else {
            continue;
        };
        let says = |rule, _: &Filter| known.filter(asked.filter + 1 + rule);
        let named = terms.price.named_by(says);
        passed.push(Passed {
            slot,
            deferred: waits || named.is_some_and(|named| named.deferred),
            named,
        });
    }
    for (reason, failed) in known.failed() {
        *excluded.entry(reason).or_default() += failed;
    }
    Screened { passed, excluded }
}

/// The static checks of one contract. `Ok(true)` if one of them waits for the whole lead.
pub(crate) fn check(
    terms: &Terms,
    context: &Context,
    lead: LeadView<'_>,
) -> Result<bool, ContractReason> {
    let mut waits = None;
    let judged = judge(terms, context, &lead, &mut waits);
    judged.map_err(|failed| failed.reason)?;
    Ok(waits.is_some())
}
