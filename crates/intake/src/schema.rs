//! A campaign's fields: their types, classes, and where each is required.

use std::collections::BTreeMap;

use domain::{FieldClass, FieldName};

/// Whether a part of a lead has to carry a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It must.
    Required,
    /// It may.
    Optional,
    /// It must not.
    No,
}

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
    Enum(BTreeMap<String, String>),
    /// A US ZIP of five digits; numbers are zero-padded.
    Zip,
    /// A US state by its two letters.
    State,
    /// A calendar date, kept as ISO 8601.
    Date,
    /// A phone number, kept as E.164.
    Phone,
    /// An e-mail address.
    Email,
    /// An http or https URL.
    Url,
    /// An IPv4 or IPv6 address.
    Ip,
}

/// Further limits of a field's values.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Least number.
    pub min: Option<i64>,
    /// Greatest number.
    pub max: Option<i64>,
    /// Most characters.
    pub max_length: Option<usize>,
}

/// One field of a schema.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: FieldName,
    /// What it holds.
    pub kind: Kind,
    /// How freely it travels.
    pub class: FieldClass,
    /// Whether a ping carries it.
    pub ping: Presence,
    /// Whether a post carries it.
    pub post: Presence,
    /// Further limits.
    pub rules: Rules,
}

/// The fields of a campaign's leads.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    fields: Vec<Field>,
}

/// A field that contradicts itself or another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {why}")]
pub struct SchemaError {
    /// The field.
    pub field: FieldName,
    /// Why.
    pub why: &'static str,
}

impl Schema {
    /// A schema of these fields.
    pub fn new(fields: Vec<Field>) -> Result<Self, Vec<SchemaError>> {
        Ok(Self { fields })
    }

    /// All fields, in the catalog's order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// A field by name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.as_str() == name)
    }

    /// Whether a ping may carry the field: what filters need to tell absent from unknown.
    pub fn carried_by_ping(&self, name: &FieldName) -> bool {
        self.field(name.as_str()).is_some_and(|field| field.ping != Presence::No)
    }
}
