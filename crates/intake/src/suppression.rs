//! A suppression list: consumers that must not be contacted, by hashes of their phone numbers or
//! e-mail addresses in one stated form.

use std::collections::HashSet;

use domain::{FieldName, FieldValue};

use crate::contact::{Email, Phone};
use crate::hash::HashForm;
use crate::kind::derived::What;
use crate::{Kind, Schema};

/// A suppression list.
#[derive(Clone, PartialEq, Eq)]
pub struct Suppression {
    form: HashForm,
    hashes: HashSet<String>,
}

impl std::fmt::Debug for Suppression {
    /// Without the hashes, which are personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Suppression({}: {})", self.form, self.hashes.len())
    }
}

impl Suppression {
    /// A list of hashes in a form; on failure the places of what are none.
    pub fn new<'h>(
        form: HashForm,
        hashes: impl IntoIterator<Item = &'h str>,
    ) -> Result<Self, Vec<usize>> {
        let (mut read, mut wrong) = (HashSet::new(), Vec::new());
        for (at, text) in hashes.into_iter().enumerate() {
            match form.alg().read(text) {
                Some(hash) => drop(read.insert(hash)),
                None => wrong.push(at),
            }
        }
        match wrong.is_empty() {
            true => Ok(Self { form, hashes: read }),
            false => Err(wrong),
        }
    }

    /// Whether the consumer is on it, as far as the lead says who that is: a ping tells it only by a
    /// hash of the list's own form. `value` gives what the lead says of a field.
    pub fn covers<'v>(
        &self,
        schema: &Schema,
        value: impl Fn(&FieldName) -> Option<&'v FieldValue>,
    ) -> bool {
        schema.fields().iter().any(|field| {
            let Some(FieldValue::Text(text)) = value(&field.name) else {
                return false;
            };
            let hash = match &field.kind {
                Kind::Phone(_) => Phone::from_e164(text).and_then(|it| self.form.of_phone(&it)),
                Kind::Email => Email::parse(text).and_then(|it| self.form.of_email(&it)),
                Kind::Derived(derived) if derived.what == What::Hash(self.form) => {
                    return self.hashes.contains(text);
                }
                _ => None,
            };
            hash.is_some_and(|hash| self.hashes.contains(&hash))
        })
    }
}
