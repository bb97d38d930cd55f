//! Phone numbers: valid ones only, kept as E.164.

use domain::FieldValue;

use super::{invalid, text_of};
use crate::body::Json;
use crate::contact::{Country, Phone};
use crate::issue::Fault;

const EXPECTED: &str = "expected a valid phone number";

pub(super) fn normalise(country: Country, json: &Json<'_>) -> Result<FieldValue, Fault> {
    let text = text_of(json, EXPECTED)?;
    let phone = Phone::parse(&text, country).ok_or_else(|| invalid(EXPECTED))?;
    Ok(FieldValue::Text(phone.e164().to_owned()))
}
