//! A campaign's fields: their types, classes, and where each is required.

use std::collections::HashMap;

use domain::{FieldClass, FieldName};

use crate::kind::derived::What;
use crate::{Kind, Rule};

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
    /// Whether a quote holds only for the value that was in the ping (`ping_mismatch`).
    pub locked: bool,
    /// Further limits.
    pub rules: Vec<Rule>,
}

/// The fields of a campaign's leads.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    fields: Vec<Field>,
    by_name: HashMap<FieldName, usize>,
}

/// A field that contradicts itself or another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}` {why}")]
pub struct SchemaError {
    /// The field.
    pub field: FieldName,
    /// Why.
    pub why: &'static str,
}

/// More fields than this are a mistake.
const FIELDS: usize = 500;

impl Schema {
    /// A schema of these fields; on failure all contradictions.
    pub fn new(fields: Vec<Field>) -> Result<Self, Vec<SchemaError>> {
        let mut errors = Vec::new();
        let mut by_name = HashMap::with_capacity(fields.len());
        for (at, field) in fields.iter().enumerate() {
            let mut complain = |why| {
                errors.push(SchemaError {
                    field: field.name.clone(),
                    why,
                });
            };
            if by_name.insert(field.name.clone(), at).is_some() {
                complain("is defined twice");
            }
            if field.class == FieldClass::Contact && field.ping != Presence::No {
                complain("is contact data and so must have `ping = \"no\"`");
            }
            if field.ping == Presence::No && field.post == Presence::No {
                complain("is carried neither by a ping nor by a post");
            }
            if at == FIELDS {
                complain("is one too many: a schema has at most 500 fields");
            }
        }
        for field in &fields {
            let Kind::Derived(derived) = &field.kind else {
                continue;
            };
            let of = by_name.get(&derived.from).and_then(|at| fields.get(*at));
            let fits = match of.map(|of| &of.kind) {
                Some(Kind::Phone(_)) => !derived.what.of_email(),
                Some(Kind::Email) => derived.what.of_email(),
                _ => false,
            };
            let why = match (fits, derived.what) {
                (true, What::Hash(_) | What::Last4 | What::Domain)
                    if field.class == FieldClass::Open =>
                {
                    "tells who the consumer is and so cannot be of class `open`"
                }
                (true, _) => continue,
                (false, what) if what.of_email() => {
                    "follows from a field of type `email` that the schema has not: see `from`"
                }
                (false, _) => {
                    "follows from a field of type `phone` that the schema has not: see `from`"
                }
            };
            errors.push(SchemaError {
                field: field.name.clone(),
                why,
            });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if fields
            .iter()
            .any(|field| matches!(field.kind, Kind::Phone(_)))
        {
            crate::contact::warm_up();
        }
        Ok(Self { fields, by_name })
    }

    /// All fields, in the catalog's order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// A field by name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(*self.by_name.get(name)?)
    }

    /// The fields `state` and `zip`, where the one can be filled in from the other.
    pub(crate) fn state_from_zip(&self) -> Option<(&Field, &Field)> {
        let state = self
            .field("state")
            .filter(|field| matches!(field.kind, Kind::State))?;
        let zip = self
            .field("zip")
            .filter(|field| matches!(field.kind, Kind::Zip))?;
        Some((state, zip))
    }
}
