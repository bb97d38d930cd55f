//! US ZIP codes: five digits. A number lost its leading zeros and gets them back; of ZIP+4 the
//! first five count.

use domain::FieldValue;

use super::{invalid, text_of};
use crate::body::Json;
use crate::issue::Fault;

const EXPECTED: &str = "expected a US ZIP of five digits";

pub(super) fn normalise(json: &Json<'_>) -> Result<FieldValue, Fault> {
    let text = match json {
        Json::Int(number) => format!("{number:05}").into(),
        other => text_of(other, EXPECTED)?,
    };
    let (five, four) = text.split_once('-').unwrap_or((&text, "0000"));
    let digits =
        |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    if digits(five, 5) && digits(four, 4) {
        Ok(FieldValue::Text(five.to_owned()))
    } else {
        Err(invalid(EXPECTED))
    }
}
