//! `in (A, B, ..)` and `not in (A, B, ..)`: equal to one of a list, or to none. A lead without the
//! field is equal to nothing, so `not in` holds for it.

use std::sync::Arc;

use domain::FieldValue;

use super::{Operator, Test};
use crate::parse::Parser;
use crate::{FieldType, Literal, limits};

#[derive(Debug)]
pub(super) struct IsIn;

#[derive(Debug)]
struct IsOneOf {
    /// In order.
    values: Vec<FieldValue>,
    negated: bool,
}

impl Operator for IsIn {
    fn spellings(&self) -> &'static [&'static str] {
        &["in", "not in"]
    }

    fn operands(&self, parser: &mut Parser) -> Option<Vec<Literal>> {
        parser.expect("(")?;
        let values = list(parser).filter(|_| parser.expect(")").is_some());
        if values.is_none() {
            parser.leave_parentheses();
        }
        values
    }

    fn accepts(&self, _field_type: &FieldType) -> bool {
        true
    }

    fn test(
        &self,
        spelling: &'static str,
        mut values: Vec<FieldValue>,
    ) -> Result<Arc<dyn Test>, String> {
        values.sort_unstable();
        let negated = spelling == "not in";
        Ok(Arc::new(IsOneOf { values, negated }))
    }
}

impl Test for IsOneOf {
    fn holds(&self, value: &FieldValue) -> bool {
        self.values.binary_search(value).is_ok() != self.negated
    }

    fn holds_without(&self) -> bool {
        self.negated
    }
}

/// `A, B, ..`
fn list(parser: &mut Parser) -> Option<Vec<Literal>> {
    let mut values = vec![parser.literal()?];
    while parser.eat(",") {
        if values.len() == limits::VALUES {
            return parser.complain(format!("`in` has at most {} values", limits::VALUES));
        }
        values.push(parser.literal()?);
    }
    Some(values)
}
