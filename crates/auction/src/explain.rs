//! Why a contract is in an auction or not: the first check that fails, by name.
//!
//! It asks the same questions as [`screen()`](crate::screen()) and the opening of a round, of one
//! contract alone, so an operator can ask of any contract at any time, from what is recorded.

use domain::Micros;

use crate::eligible::judge;
use crate::{Book, Check, Context, Facts, Failed, LeadView, Rules, Slot, round};

/// What becomes of a contract before anybody is pinged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explained {
    /// The first check that fails; none if it takes part.
    pub failed: Option<Failed>,
    /// The first check of those that were asked whose answer waits for what is not known here: a field,
    /// or the facts. A price that waits is asked for at [`Check::Floor`].
    pub waits: Option<Check>,
}

impl Explained {
    /// The check that failed first, if that is known: what fails behind one that waits need not be it.
    pub fn first(&self) -> Option<&Failed> {
        let failed = self.failed.as_ref()?;
        let first = self.waits.is_none_or(|waits| failed.check < waits);
        first.then_some(failed)
    }
}

/// Explains one contract of a book; none if the slot is none of the book's. Without the facts of its
/// round only the checks before [`Check::Breaker`] are asked.
pub fn explain(
    book: &Book,
    rules: &Rules,
    context: &Context,
    lead: LeadView<'_>,
    facts: Option<&Facts>,
    min_payout: Micros,
    contract: Slot,
) -> Option<Explained> {
    let terms = book.get(contract)?;
    let mut waits = None;
    let failed = judge(terms, context, &lead, &mut waits).and_then(|()| {
        let Some(facts) = facts else {
            waits.get_or_insert(Check::Breaker);
            return Ok(());
        };
        let named = terms.price.named(&lead);
        if named.is_some_and(|named| named.deferred) {
            waits.get_or_insert(Check::Floor);
        }
        round::enters(contract, terms, named, rules, min_payout, context, facts)
    });
    Some(Explained {
        failed: failed.err(),
        waits,
    })
}
