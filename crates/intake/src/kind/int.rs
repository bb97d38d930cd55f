//! Whole numbers, also as text.

use domain::FieldValue;

use super::invalid;
use crate::IssueCode;
use crate::body::Json;
use crate::issue::Fault;

const EXPECTED: &str = "expected a whole number";

pub(super) fn normalise(json: &Json<'_>) -> Result<FieldValue, Fault> {
    match json {
        Json::Int(number) => Ok(FieldValue::Int(*number)),
        Json::Text(text) => text
            .trim()
            .parse()
            .map(FieldValue::Int)
            .map_err(|_| invalid(EXPECTED)),
        _ => Err(Fault::new(IssueCode::WrongType, EXPECTED)),
    }
}
