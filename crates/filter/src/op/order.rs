//! `<` `<=` `>` `>=` over numbers, dates and ZIPs.

use std::cmp::Ordering;
use std::sync::Arc;

use domain::FieldValue;

use super::{Operator, Test};
use crate::parse::Parser;
use crate::{FieldType, Literal};

#[derive(Debug)]
pub(super) struct Order;

#[derive(Debug)]
struct Compares {
    with: FieldValue,
    by: By,
}

#[derive(Debug, Clone, Copy)]
enum By {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Operator for Order {
    fn spellings(&self) -> &'static [&'static str] {
        &["<", "<=", ">", ">="]
    }

    fn operands(&self, parser: &mut Parser) -> Option<Vec<Literal>> {
        Some(vec![parser.literal()?])
    }

    fn accepts(&self, field_type: &FieldType) -> bool {
        field_type.is_ordered()
    }

    fn test(
        &self,
        spelling: &'static str,
        values: Vec<FieldValue>,
    ) -> Result<Arc<dyn Test>, String> {
        let with = values.into_iter().next().ok_or("expected a value")?;
        let by = match spelling {
            "<" => By::Less,
            "<=" => By::AtMost,
            ">" => By::Greater,
            _ => By::AtLeast,
        };
        Ok(Arc::new(Compares { with, by }))
    }
}

impl Test for Compares {
    fn holds(&self, value: &FieldValue) -> bool {
        compare(value, &self.with).is_some_and(|order| match self.by {
            By::Less => order.is_lt(),
            By::AtMost => order.is_le(),
            By::Greater => order.is_gt(),
            By::AtLeast => order.is_ge(),
        })
    }
}

/// The order of two values of one type; dates and ZIPs are text of a fixed form, whose order is
/// that of their letters.
pub(super) fn compare(a: &FieldValue, b: &FieldValue) -> Option<Ordering> {
    match (a, b) {
        (FieldValue::Int(a), FieldValue::Int(b)) => Some(a.cmp(b)),
        (FieldValue::Text(a), FieldValue::Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
