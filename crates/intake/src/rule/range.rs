//! Least and greatest value. ISO dates are in the order of their letters.

use domain::FieldValue;

use crate::IssueCode;
use crate::issue::Fault;

pub(super) fn check(
    min: Option<&FieldValue>,
    max: Option<&FieldValue>,
    value: &FieldValue,
) -> Result<(), Fault> {
    if let Some(min) = min.filter(|min| value < *min) {
        return Err(Fault::new(IssueCode::TooSmall, format!("at least {min}")));
    }
    if let Some(max) = max.filter(|max| value > *max) {
        return Err(Fault::new(IssueCode::TooLarge, format!("at most {max}")));
    }
    Ok(())
}
