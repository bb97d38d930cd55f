//! Fields that follow from a phone number or an e-mail address: hashes and parts of it, which a ping
//! carries in its stead. A post has the whole, so there they are computed.

use domain::{FieldName, FieldValue};

use super::{invalid, text_of};
use crate::body::Json;
use crate::contact::{Email, Phone};
use crate::hash::HashForm;
use crate::issue::Fault;

/// A field that follows from another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// The field it follows from.
    pub from: FieldName,
    /// What it is of it.
    pub what: What,
}

/// What a derived field is of the one it follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A hash of a phone number or an e-mail address.
    Hash(HashForm),
    /// The area code of a North American number.
    Npa,
    /// The last four digits of a phone number.
    Last4,
    /// The domain of an e-mail address.
    Domain,
}

impl What {
    /// Whether it follows from an e-mail address; else from a phone number.
    pub const fn of_email(self) -> bool {
        matches!(self, Self::Hash(HashForm::Email(_)) | Self::Domain)
    }
}

impl Derived {
    /// What it is of a normalised phone number or e-mail address; none if that has no such part.
    pub fn of(&self, value: &FieldValue) -> Option<FieldValue> {
        let FieldValue::Text(text) = value else {
            return None;
        };
        let derived = if self.what.of_email() {
            let email = Email::parse(text)?;
            match self.what {
                What::Hash(form) => form.of_email(&email)?,
                _ => email.domain().to_owned(),
            }
        } else {
            let phone = Phone::from_e164(text)?;
            match self.what {
                What::Hash(form) => form.of_phone(&phone)?,
                What::Npa => phone.npa()?.to_owned(),
                _ => phone.last4()?.to_owned(),
            }
        };
        Some(FieldValue::Text(derived))
    }

    pub(super) fn normalise(&self, json: &Json<'_>) -> Result<FieldValue, Fault> {
        let expected = match self.what {
            What::Hash(form) => match form.alg().digits() {
                32 => "expected an MD5 hash: 32 hex digits",
                40 => "expected a SHA-1 hash: 40 hex digits",
                _ => "expected a SHA-256 hash: 64 hex digits",
            },
            What::Npa => "expected an area code of three digits",
            What::Last4 => "expected four digits",
            What::Domain => "expected the domain of an e-mail address",
        };
        // A number lost its leading zeros.
        let text = match (json, self.what) {
            (Json::Int(number), What::Last4) => format!("{number:04}").into(),
            _ => text_of(json, expected)?,
        };
        let digits = |count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        let read = match self.what {
            What::Hash(form) => form.alg().read(&text),
            What::Npa => digits(3).then(|| text.into_owned()),
            What::Last4 => digits(4).then(|| text.into_owned()),
            What::Domain => {
                Email::parse(&format!("x@{text}")).map(|email| email.domain().to_owned())
            }
        };
        read.map(FieldValue::Text).ok_or_else(|| invalid(expected))
    }
}
