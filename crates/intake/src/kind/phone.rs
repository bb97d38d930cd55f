//! Phone numbers by the numbering plans of libphonenumber: valid ones only, kept as E.164.

use domain::FieldValue;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, Region};

use super::{invalid, text_of};
use crate::body::Json;
use crate::issue::Fault;

/// The country of numbers that name none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country(Region);

const EXPECTED: &str = "expected a valid phone number";

impl Country {
    pub(super) fn new(code: &str) -> Option<Self> {
        code.parse().ok().map(Self)
    }

    pub(super) fn normalise(self, json: &Json<'_>) -> Result<FieldValue, Fault> {
        let text = text_of(json, EXPECTED)?;
        // The longest number has 15 digits; the rest is punctuation.
        if text.len() > 40 {
            return Err(invalid(EXPECTED));
        }
        let number = PHONE_NUMBER_UTIL
            .parse(text.as_ref(), Some(self.0))
            .map_err(|_| invalid(EXPECTED))?;
        if PHONE_NUMBER_UTIL.is_valid_number(&number) {
            let e164 = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164);
            Ok(FieldValue::Text(e164.into_owned()))
        } else {
            Err(invalid(EXPECTED))
        }
    }
}

/// Loads the numbering plans, which takes a while, so that no lead waits for them.
pub(crate) fn warm_up() {
    std::sync::LazyLock::force(&PHONE_NUMBER_UTIL);
}
