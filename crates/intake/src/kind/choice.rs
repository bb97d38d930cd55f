//! One of a list of values, each with other spellings (an alias table). Case, spaces, `-` and `_`
//! make no difference: `Own Home`, `own_home` and `OWN-HOME` are one spelling.

use std::collections::{BTreeSet, HashMap};

use domain::FieldValue;

use super::text_of;
use crate::IssueCode;
use crate::body::Json;
use crate::issue::Fault;

/// The values of an enum and the spellings they go by.
#[derive(Debug, Clone)]
pub struct Choices {
    values: BTreeSet<String>,
    spellings: HashMap<String, String>,
}

/// A spelling that would stand for two values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{spelling}` stands for both `{first}` and `{second}`")]
pub struct ChoiceError {
    /// The spelling.
    pub spelling: String,
    /// One value.
    pub first: String,
    /// The other.
    pub second: String,
}

fn folded(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, ' ' | '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

impl Choices {
    /// From values with their aliases.
    pub fn new(
        values: impl IntoIterator<Item = (String, Vec<String>)>,
    ) -> Result<Self, ChoiceError> {
        let mut choices = Self {
            values: BTreeSet::new(),
            spellings: HashMap::new(),
        };
        for (value, aliases) in values {
            for spelling in std::iter::once(&value).chain(&aliases) {
                let earlier = choices.spellings.insert(folded(spelling), value.clone());
                if let Some(first) = earlier.filter(|first| *first != value) {
                    return Err(ChoiceError {
                        spelling: spelling.clone(),
                        first,
                        second: value,
                    });
                }
            }
            choices.values.insert(value);
        }
        Ok(choices)
    }

    /// The values, in order.
    pub const fn values(&self) -> &BTreeSet<String> {
        &self.values
    }

    pub(super) fn normalise(&self, json: &Json<'_>) -> Result<FieldValue, Fault> {
        let text = match json {
            Json::Bool(true) => "true".into(),
            Json::Bool(false) => "false".into(),
            other => text_of(other, "expected text")?,
        };
        match self.spellings.get(&folded(&text)) {
            Some(value) => Ok(FieldValue::Text(value.clone())),
            None => {
                let values: Vec<&str> = self.values.iter().map(String::as_str).take(30).collect();
                let message = format!("expected one of {}", values.join(", "));
                Err(Fault::new(IssueCode::NotAllowed, message))
            }
        }
    }
}
