//! A regular expression over the whole text, matched in linear time.

use domain::FieldValue;
use regex::{Regex, RegexBuilder};

use crate::IssueCode;
use crate::issue::Fault;

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(pub String);

pub(super) fn compile(text: &str) -> Result<Regex, PatternError> {
    // The pattern has to be one by itself: `a)(b` is none, though it is inside a group.
    let build = |text: &str| {
        RegexBuilder::new(text)
            .size_limit(1 << 20)
            .build()
            .map_err(|error| {
                // The lines before the last one draw the place.
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                PatternError(last.trim_start_matches("error: ").to_owned())
            })
    };
    build(text)?;
    build(&format!("^(?:{text})$"))
}

pub(super) fn check(pattern: &Regex, value: &FieldValue) -> Result<(), Fault> {
    let matches = match value {
        FieldValue::Text(text) => pattern.is_match(text),
        other => pattern.is_match(&other.to_string()),
    };
    if matches {
        Ok(())
    } else {
        Err(Fault::new(IssueCode::Invalid, "not of the required form"))
    }
}
