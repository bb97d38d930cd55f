//! The types of fields: one file each, all the same shape: a JSON value -> the one spelling of what
//! it means, or what is wrong with it.
//!
//! To add one: (1) `kind/<name>.rs` with a `normalise`, (2) a variant here, (3) its line in
//! [`Kind::normalise`], (4) its word in the catalog's `type`, (5) rows in `tests/fields.rs`.

pub(crate) mod certificate;
pub(crate) mod choice;
pub(crate) mod date;
pub(crate) mod derived;
pub(crate) mod email;
pub(crate) mod int;
pub(crate) mod ip;
pub(crate) mod page;
pub(crate) mod phone;
pub mod state;
pub(crate) mod text;
pub(crate) mod url;
pub(crate) mod yes_no;
pub(crate) mod zip;

use std::borrow::Cow;

use domain::FieldValue;

use crate::IssueCode;
use crate::body::Json;
use crate::contact::Country;
use crate::issue::Fault;

/// What a field holds.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number.
    Int,
    /// Yes or no.
    Bool,
    /// One of a list, by any of its spellings.
    Enum(choice::Choices),
    /// A US ZIP of five digits; numbers are zero-padded, ZIP+4 is cut.
    Zip,
    /// A US state by its two letters; names are understood.
    State,
    /// A calendar date, kept as ISO 8601; month/day/year is understood.
    Date,
    /// A phone number, kept as E.164; one without a country code is of this country.
    Phone(Country),
    /// An e-mail address, in lower case.
    Email,
    /// An http or https URL.
    Url,
    /// The address of a page, kept without its query and fragment.
    Page,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A hash or a part of a phone number or an e-mail address.
    Derived(derived::Derived),
    /// The URL of a TrustedForm certificate.
    TrustedForm,
    /// A Jornaya LeadiD.
    Jornaya,
}

impl Kind {
    /// A phone number of the country with this two-letter code, unless it says otherwise.
    pub fn phone(country: &str) -> Option<Self> {
        Country::new(country).map(Self::Phone)
    }

    pub(crate) fn normalise(&self, json: &Json<'_>) -> Result<FieldValue, Fault> {
        match self {
            Self::Text => text::normalise(json),
            Self::Int => int::normalise(json),
            Self::Bool => yes_no::normalise(json),
            Self::Enum(choices) => choices.normalise(json),
            Self::Zip => zip::normalise(json),
            Self::State => state::normalise(json),
            Self::Date => date::normalise(json),
            Self::Phone(country) => phone::normalise(*country, json),
            Self::Email => email::normalise(json),
            Self::Url => url::normalise(json),
            Self::Page => page::normalise(json),
            Self::Ip => ip::normalise(json),
            Self::Derived(derived) => derived.normalise(json),
            Self::TrustedForm => certificate::trustedform(json),
            Self::Jornaya => certificate::jornaya(json),
        }
    }
}

/// The trimmed text of a text or a whole number: publishers send codes, ZIPs and phones as either.
fn text_of<'a>(json: &'a Json<'_>, expected: &'static str) -> Result<Cow<'a, str>, Fault> {
    match json {
        Json::Text(text) => Ok(Cow::Borrowed(text.trim())),
        Json::Int(number) => Ok(Cow::Owned(number.to_string())),
        _ => Err(Fault::new(IssueCode::WrongType, expected)),
    }
}

fn invalid(expected: &'static str) -> Fault {
    Fault::new(IssueCode::Invalid, expected)
}
