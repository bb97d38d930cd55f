//! Text: trimmed, without control characters, at most 2,000 characters.

use domain::FieldValue;

use super::text_of;
use crate::body::Json;
use crate::issue::Fault;
use crate::members::plain;

const MAX: usize = 2_000;

pub(super) fn normalise(json: &Json<'_>) -> Result<FieldValue, Fault> {
    let text = text_of(json, "expected text")?;
    plain(&text, MAX)?;
    Ok(FieldValue::Text(text.into_owned()))
}
