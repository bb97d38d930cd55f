//! The whole value has a form.

use domain::{FieldValue, Pattern};

use crate::IssueCode;
use crate::issue::Fault;

pub(super) fn check(pattern: &Pattern, value: &FieldValue) -> Result<(), Fault> {
    let matches = match value {
        FieldValue::Text(text) => pattern.matches(text),
        other => pattern.matches(&other.to_string()),
    };
    if matches {
        Ok(())
    } else {
        Err(Fault::new(IssueCode::Invalid, "not of the required form"))
    }
}
