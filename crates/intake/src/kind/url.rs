//! http and https URLs of at most 2,000 characters, as sent.

use domain::FieldValue;

use super::invalid;
use crate::IssueCode;
use crate::body::Json;
use crate::issue::Fault;
use crate::members::plain;

const EXPECTED: &str = "expected an http or https URL";

pub(super) fn normalise(json: &Json<'_>) -> Result<FieldValue, Fault> {
    let Json::Text(text) = json else {
        return Err(Fault::new(IssueCode::WrongType, EXPECTED));
    };
    let text = text.trim();
    plain(text, 2_000)?;
    let url = ::url::Url::parse(text).map_err(|_| invalid(EXPECTED))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(FieldValue::Text(text.to_owned()))
    } else {
        Err(invalid(EXPECTED))
    }
}
