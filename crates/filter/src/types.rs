//! What the fields of a campaign hold, as far as a filter has to know.

use std::collections::{BTreeMap, BTreeSet};

use domain::{FieldName, FieldValue};
use jiff::civil::Date;

/// The fields a filter may name.
pub type FieldTypes = BTreeMap<FieldName, FieldType>;

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldType {
    /// Any text.
    Text,
    /// One of these texts.
    Enum(BTreeSet<String>),
    /// A whole number.
    Int,
    /// `true` or `false`.
    Bool,
    /// A ZIP of five digits.
    Zip,
    /// An ISO 8601 date.
    Date,
    /// Not known, because the field's own definition is broken: nothing said of it is wrong.
    Unchecked,
}

impl FieldType {
    /// Whether values have an order that means something.
    pub(crate) const fn is_ordered(&self) -> bool {
        matches!(self, Self::Int | Self::Zip | Self::Date | Self::Unchecked)
    }

    /// The word for it in messages.
    pub(crate) const fn noun(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Enum(_) => "one of a list",
            Self::Int => "a whole number",
            Self::Bool => "true or false",
            Self::Zip => "a ZIP of five digits",
            Self::Date => "a date like 2026-01-31",
            Self::Unchecked => "anything",
        }
    }

    /// The value that a text stands for, or what was expected.
    pub fn value(&self, text: &str) -> Result<FieldValue, String> {
        let as_text = |good: bool| good.then(|| FieldValue::Text(text.to_owned()));
        let value = match self {
            Self::Text | Self::Unchecked => as_text(true),
            Self::Enum(allowed) => {
                return as_text(allowed.contains(text)).ok_or_else(|| {
                    let shown: Vec<&str> = allowed.iter().map(String::as_str).take(12).collect();
                    let more = if allowed.len() > 12 { ", .." } else { "" };
                    format!("expected one of {}{more}", shown.join(", "))
                });
            }
            Self::Int => text.parse().ok().map(FieldValue::Int),
            Self::Bool => text.parse().ok().map(FieldValue::Bool),
            Self::Zip => as_text(text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit())),
            Self::Date => as_text(text.len() == 10 && text.parse::<Date>().is_ok()),
        };
        value.ok_or_else(|| format!("expected {}", self.noun()))
    }
}
