//! The fields of a lead, kept apart by class: what a ping may carry and what only a post may.
//!
//! [`PingFields`] cannot hold a contact field, so no code that builds a ping from it can leak one.

use std::collections::BTreeMap;

use crate::FieldName;

/// How freely a field may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldClass {
    /// Goes to every buyer's ping.
    Open,
    /// Goes to a buyer's ping only if the contract lists it: IP, birth date, user agent, hashes.
    Sensitive,
    /// Only in a post: name, phone, e-mail, street.
    Contact,
}

/// A normalised value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldValue {
    /// Text, also enums, ISO dates, E.164 phones and ZIPs.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
}

impl std::fmt::Display for FieldValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Int(number) => write!(f, "{number}"),
            Self::Bool(yes) => write!(f, "{yes}"),
        }
    }
}

/// A contact field was offered to a ping, or another class to the contact part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {0} is of the wrong class for this part of a lead")]
pub struct ClassError(pub FieldName);

/// Fields that may be in a ping, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PingFields(BTreeMap<FieldName, (FieldClass, FieldValue)>);

impl PingFields {
    /// Adds a field; refuses contact data.
    pub fn insert(
        &mut self,
        name: FieldName,
        class: FieldClass,
        value: FieldValue,
    ) -> Result<(), ClassError> {
        if class == FieldClass::Contact {
            return Err(ClassError(name));
        }
        self.0.insert(name, (class, value));
        Ok(())
    }

    /// A field's value.
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.0.get(name).map(|(_, value)| value)
    }

    /// All fields in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&FieldName, FieldClass, &FieldValue)> {
        self.0
            .iter()
            .map(|(name, (class, value))| (name, *class, value))
    }
}

/// Contact fields, by name: post only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ContactFields(BTreeMap<FieldName, FieldValue>);

impl ContactFields {
    /// Adds a contact field.
    pub fn insert(&mut self, name: FieldName, value: FieldValue) {
        self.0.insert(name, value);
    }

    /// A field's value.
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.0.get(name)
    }

    /// All fields in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&FieldName, &FieldValue)> {
        self.0.iter()
    }
}

impl std::fmt::Debug for ContactFields {
    /// Names only: contact data never reaches a log line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A whole lead, as it is posted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FullLead {
    /// What the ping carried, or would have.
    pub ping: PingFields,
    /// What only the post carries: contact fields, and other fields marked post-only.
    pub contact: ContactFields,
}

impl FullLead {
    /// A field's value, wherever it is.
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.ping.get(name).or_else(|| self.contact.get(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_refuses_contact_data() {
        let mut ping = PingFields::default();
        let phone: FieldName = "phone".parse().unwrap();
        let refused = ping.insert(
            phone.clone(),
            FieldClass::Contact,
            FieldValue::Text("+15125550199".into()),
        );
        assert_eq!(refused, Err(ClassError(phone.clone())));
        let mut contact = ContactFields::default();
        contact.insert(phone, FieldValue::Text("+15125550199".into()));
        assert_eq!(format!("{contact:?}"), "{FieldName(\"phone\")}");
    }
}
