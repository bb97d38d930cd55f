//! `in (A, B, ..)`: equal to one of a list.

use std::collections::HashSet;
use std::sync::Arc;

use domain::FieldValue;

use super::{Operator, Test};
use crate::parse::Parser;
use crate::{FieldType, Literal, limits};

#[derive(Debug)]
pub(super) struct IsIn;

#[derive(Debug)]
struct IsOneOf(HashSet<FieldValue>);

impl Operator for IsIn {
    fn spellings(&self) -> &'static [&'static str] {
        &["in"]
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
        _spelling: &'static str,
        values: Vec<FieldValue>,
    ) -> Result<Arc<dyn Test>, String> {
        Ok(Arc::new(IsOneOf(values.into_iter().collect())))
    }
}

impl Test for IsOneOf {
    fn holds(&self, value: &FieldValue) -> bool {
        self.0.contains(value)
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
