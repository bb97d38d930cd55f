//! `matches 'PATTERN'`: a text that has a form, from its first to its last character.
//!
//! Patterns are those of the crate `regex`: linear time, no look-around.

use std::sync::Arc;

use domain::{FieldValue, Pattern};

use super::{Operator, Test};
use crate::parse::Parser;
use crate::{FieldType, Literal};

#[derive(Debug)]
pub(super) struct Matches;

#[derive(Debug)]
struct HasForm(Pattern);

impl Operator for Matches {
    fn spellings(&self) -> &'static [&'static str] {
        &["matches"]
    }

    fn operands(&self, parser: &mut Parser) -> Option<Vec<Literal>> {
        Some(vec![parser.literal()?])
    }

    fn accepts(&self, field_type: &FieldType) -> bool {
        matches!(
            field_type,
            FieldType::Text | FieldType::Zip | FieldType::Enum(_) | FieldType::Unchecked
        )
    }

    fn operand_type<'t>(&self, _field_type: &'t FieldType) -> &'t FieldType {
        &FieldType::Text
    }

    fn test(
        &self,
        _spelling: &'static str,
        values: Vec<FieldValue>,
    ) -> Result<Arc<dyn Test>, String> {
        let Some(FieldValue::Text(text)) = values.first() else {
            return Err("expected a pattern".to_owned());
        };
        match Pattern::new(text) {
            Ok(pattern) => Ok(Arc::new(HasForm(pattern))),
            Err(error) => Err(format!("`{text}` is no pattern: {error}")),
        }
    }
}

impl Test for HasForm {
    fn holds(&self, value: &FieldValue) -> bool {
        matches!(value, FieldValue::Text(text) if self.0.matches(text))
    }
}
