//! E-mail addresses, trimmed and in lower case.

use domain::FieldValue;

use super::invalid;
use crate::IssueCode;
use crate::body::Json;
use crate::contact::Email;
use crate::issue::Fault;

const EXPECTED: &str = "expected an e-mail address";

pub(super) fn normalise(json: &Json<'_>) -> Result<FieldValue, Fault> {
    let Json::Text(text) = json else {
        return Err(Fault::new(IssueCode::WrongType, EXPECTED));
    };
    let email = Email::parse(text).ok_or_else(|| invalid(EXPECTED))?;
    Ok(FieldValue::Text(email.as_str().to_owned()))
}
