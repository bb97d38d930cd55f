//! `between A and B`, both ends included, over numbers, dates and ZIPs.

use std::cmp::Ordering;
use std::sync::Arc;

use domain::FieldValue;

use super::order::compare;
use super::{Operator, Test};
use crate::parse::Parser;
use crate::{FieldType, Literal};

#[derive(Debug)]
pub(super) struct Between;

#[derive(Debug)]
struct IsBetween {
    low: FieldValue,
    high: FieldValue,
}

impl Operator for Between {
    fn spellings(&self) -> &'static [&'static str] {
        &["between"]
    }

    fn operands(&self, parser: &mut Parser) -> Option<Vec<Literal>> {
        let low = parser.literal()?;
        parser.expect("and")?;
        let high = parser.literal()?;
        Some(vec![low, high])
    }

    fn accepts(&self, field_type: &FieldType) -> bool {
        field_type.is_ordered()
    }

    fn test(
        &self,
        _spelling: &'static str,
        values: Vec<FieldValue>,
    ) -> Result<Arc<dyn Test>, String> {
        let [low, high] = <[FieldValue; 2]>::try_from(values).map_err(|_| "expected two values")?;
        if compare(&low, &high) == Some(Ordering::Greater) {
            return Err(format!("nothing is between {low} and {high}"));
        }
        Ok(Arc::new(IsBetween { low, high }))
    }
}

impl Test for IsBetween {
    fn holds(&self, value: &FieldValue) -> bool {
        compare(value, &self.low).is_some_and(Ordering::is_ge)
            && compare(value, &self.high).is_some_and(Ordering::is_le)
    }
}
