//! `=` and `!=`. A lead without the field is equal to nothing, so `!=` holds for it.

use std::sync::Arc;

use domain::FieldValue;

use super::{Operator, Test};
use crate::parse::Parser;
use crate::{FieldType, Literal};

#[derive(Debug)]
pub(super) struct Equal;

#[derive(Debug)]
struct IsEqual {
    to: FieldValue,
    negated: bool,
}

impl Operator for Equal {
    fn spellings(&self) -> &'static [&'static str] {
        &["=", "!="]
    }

    fn operands(&self, parser: &mut Parser) -> Option<Vec<Literal>> {
        Some(vec![parser.literal()?])
    }

    fn accepts(&self, _field_type: &FieldType) -> bool {
        true
    }

    fn test(
        &self,
        spelling: &'static str,
        values: Vec<FieldValue>,
    ) -> Result<Arc<dyn Test>, String> {
        let to = values.into_iter().next().ok_or("expected a value")?;
        let negated = spelling == "!=";
        Ok(Arc::new(IsEqual { to, negated }))
    }
}

impl Test for IsEqual {
    fn holds(&self, value: &FieldValue) -> bool {
        (*value == self.to) != self.negated
    }

    fn holds_without(&self) -> bool {
        self.negated
    }
}
