//! Limits of a field's values beyond its type: one file each.
//!
//! To add one: (1) `rule/<name>.rs` with a `check`, (2) a variant here, (3) its line in
//! [`Rule::check`], (4) its member in the catalog's fields, (5) rows in `tests/fields.rs`.

mod length;
mod pattern;
mod range;

use domain::{FieldValue, Pattern, PatternError};

use crate::issue::Fault;

/// A limit of a field's values.
#[derive(Debug, Clone)]
pub enum Rule {
    /// Numbers and dates from the one to the other, both included.
    Range {
        /// Least.
        min: Option<FieldValue>,
        /// Greatest.
        max: Option<FieldValue>,
    },
    /// Characters of the normalised text.
    Length {
        /// Least.
        min: usize,
        /// Most.
        max: usize,
    },
    /// The whole normalised text matches.
    Pattern(Pattern),
}

impl Rule {
    /// A pattern in the syntax of the crate `regex`; it has to match the whole text.
    pub fn pattern(text: &str) -> Result<Self, PatternError> {
        Pattern::new(text).map(Self::Pattern)
    }

    pub(crate) fn check(&self, value: &FieldValue) -> Result<(), Fault> {
        match self {
            Self::Range { min, max } => range::check(min.as_ref(), max.as_ref(), value),
            Self::Length { min, max } => length::check(*min, *max, value),
            Self::Pattern(pattern) => pattern::check(pattern, value),
        }
    }
}
