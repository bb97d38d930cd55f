//! The operators: one file per family.
//!
//! To add one: (1) a file `op/<name>.rs` with a unit struct, (2) its [`Operator`]: spellings, how
//! operands are read, which types it takes, (3) its [`Test`], (4) a line in [`FAMILIES`], (5) a case
//! in `tests/naive.rs`, which says again, in the simplest way, what it means.

mod between;
mod equal;
mod is_in;
mod matches;
mod order;
mod presence;

use std::fmt::Debug;
use std::sync::Arc;

use domain::FieldValue;

use crate::parse::Parser;
use crate::{FieldType, Literal};

/// A family of operators that share their operands and types.
pub(crate) trait Operator: Debug + Sync {
    /// How its members are written: a symbol, or keywords in lower case with one space between.
    fn spellings(&self) -> &'static [&'static str];
    /// Reads what follows the operator; none after a complaint.
    fn operands(&self, parser: &mut Parser) -> Option<Vec<Literal>>;
    /// Whether fields of this type can be compared so.
    fn accepts(&self, field_type: &FieldType) -> bool;
    /// What its operands are read as, for a field of this type.
    fn operand_type<'t>(&self, field_type: &'t FieldType) -> &'t FieldType {
        field_type
    }
    /// The test of one comparison; values are of the operands' type and as many as were read.
    fn test(
        &self,
        spelling: &'static str,
        values: Vec<FieldValue>,
    ) -> Result<Arc<dyn Test>, String>;
}

/// One comparison, ready to run. Its `Debug` form says all that it does: two that look alike are alike.
pub(crate) trait Test: Debug + Send + Sync {
    /// Whether it holds for a value.
    fn holds(&self, value: &FieldValue) -> bool;
    /// Whether it holds for a lead without the field.
    fn holds_without(&self) -> bool {
        false
    }
}

/// All families. Spellings that begin alike are told apart by the lexer.
static FAMILIES: [&dyn Operator; 6] = [
    &equal::Equal,
    &order::Order,
    &between::Between,
    &is_in::IsIn,
    &presence::Presence,
    &matches::Matches,
];

/// All operators with their spellings.
pub(crate) fn all() -> impl Iterator<Item = (&'static dyn Operator, &'static str)> {
    FAMILIES
        .into_iter()
        .flat_map(|family| family.spellings().iter().map(move |one| (family, *one)))
}
