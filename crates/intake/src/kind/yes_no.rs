//! Yes or no: booleans, 1 and 0, and the words the field uses.

use domain::FieldValue;

use super::{invalid, text_of};
use crate::body::Json;
use crate::issue::Fault;

const EXPECTED: &str = "expected true or false";

pub(super) fn normalise(json: &Json<'_>) -> Result<FieldValue, Fault> {
    if let Json::Bool(yes) = json {
        return Ok(FieldValue::Bool(*yes));
    }
    let word = text_of(json, EXPECTED)?.to_ascii_lowercase();
    match word.as_str() {
        "1" | "y" | "yes" | "t" | "true" => Ok(FieldValue::Bool(true)),
        "0" | "n" | "no" | "f" | "false" => Ok(FieldValue::Bool(false)),
        _ => Err(invalid(EXPECTED)),
    }
}
