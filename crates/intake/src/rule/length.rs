//! Least and most characters.

use domain::FieldValue;

use crate::IssueCode;
use crate::issue::Fault;

pub(super) fn check(min: usize, max: usize, value: &FieldValue) -> Result<(), Fault> {
    let FieldValue::Text(text) = value else {
        return Ok(());
    };
    let count = text.chars().count();
    if count < min {
        let message = format!("at least {min} characters");
        return Err(Fault::new(IssueCode::TooShort, message));
    }
    if count > max {
        let message = format!("at most {max} characters");
        return Err(Fault::new(IssueCode::TooLong, message));
    }
    Ok(())
}
