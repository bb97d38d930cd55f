//! Why a contract is in an auction or not: the first check that fails, by name.
//!
//! It asks the same questions as [`screen()`](crate::screen()) and the opening of a round, of one
//! contract alone, so an operator can ask of any contract at any time, from what is recorded.

use domain::Micros;

use crate::eligible::judge_one;
use crate::{Book, Context, Facts, Failed, LeadView, Rules, Slot, round};

/// What becomes of a contract before anybody is pinged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explained {
    /// It takes part.
    Eligible {
        /// Whether a check, or its price, waits for the whole lead.
        deferred: bool,
    },
    /// It does not: this is the first check that fails.
    Failed(Failed),
}

/// Explains one contract of a book; none if the slot is none of the book's.
pub fn explain(
    book: &Book,
    rules: &Rules,
    context: &Context,
    lead: LeadView<'_>,
    facts: &Facts,
    min_payout: Micros,
    contract: Slot,
) -> Option<Explained> {
    let terms = book.get(contract)?;
    let explained = judge_one(terms, context, &lead).and_then(|deferred| {
        let named = terms.price.named(&lead);
        round::enters(contract, terms, named, rules, min_payout, context, facts)?;
        Ok(deferred || named.is_some_and(|named| named.deferred))
    });
    Some(match explained {
        Ok(deferred) => Explained::Eligible { deferred },
        Err(failed) => Explained::Failed(failed),
    })
}
