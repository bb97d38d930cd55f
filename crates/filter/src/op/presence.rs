//! `present` and `absent`: whether the lead has the field at all.

use std::sync::Arc;

use domain::FieldValue;

use super::{Operator, Test};
use crate::parse::Parser;
use crate::{FieldType, Literal};

#[derive(Debug)]
pub(super) struct Presence;

#[derive(Debug)]
struct Is {
    present: bool,
}

impl Operator for Presence {
    fn spellings(&self) -> &'static [&'static str] {
        &["present", "absent"]
    }

    fn operands(&self, _parser: &mut Parser) -> Option<Vec<Literal>> {
        Some(Vec::new())
    }

    fn accepts(&self, _field_type: &FieldType) -> bool {
        true
    }

    fn test(
        &self,
        spelling: &'static str,
        _values: Vec<FieldValue>,
    ) -> Result<Arc<dyn Test>, String> {
        let present = spelling == "present";
        Ok(Arc::new(Is { present }))
    }
}

impl Test for Is {
    fn holds(&self, _value: &FieldValue) -> bool {
        self.present
    }

    fn holds_without(&self) -> bool {
        !self.present
    }
}
