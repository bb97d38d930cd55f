//! The members of `lead` against the schema: each normalised, all issues collected.

use domain::{FieldClass, FieldValue, FullLead};

use crate::body::{Json, Object};
use crate::issue::{Fault, pointer};
use crate::kind::state;
use crate::{Field, Issue, IssueCode, Presence, Schema};

/// Which part of a lead is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Ping,
    Post,
}

impl Part {
    const fn presence(self, field: &Field) -> Presence {
        match self {
            Self::Ping => field.ping,
            Self::Post => field.post,
        }
    }
}

/// Reads the lead. A ping's result has no contact part.
pub(crate) fn read_fields(
    schema: &Schema,
    part: Part,
    object: &Object<'_>,
    issues: &mut Vec<Issue>,
    warnings: &mut Vec<Issue>,
) -> FullLead {
    let mut lead = FullLead::default();
    for (name, json) in object {
        let at = || pointer("/lead", name);
        let Some(field) = schema.field(name) else {
            let fault = Fault::new(IssueCode::Unknown, "no such field; ignored");
            warnings.push(fault.at(at()));
            continue;
        };
        if is_absent(json) {
            continue;
        }
        match (part, part.presence(field)) {
            (Part::Ping, Presence::No) => {
                let message = if field.class == FieldClass::Contact {
                    "contact data must not be in a ping"
                } else {
                    "this field belongs into the post"
                };
                issues.push(Fault::new(IssueCode::PostOnly, message).at(at()));
                continue;
            }
            (Part::Post, Presence::No) => {
                let message = "this field belongs into the ping; ignored";
                warnings.push(Fault::new(IssueCode::Unknown, message).at(at()));
                continue;
            }
            _ => {}
        }
        let value = field.kind.normalise(json).and_then(|value| {
            field.rules.iter().try_for_each(|rule| rule.check(&value))?;
            Ok(value)
        });
        match value {
            Ok(value) => put(&mut lead, field, value),
            Err(fault) => issues.push(fault.at(at())),
        }
    }
    fill_state(schema, part, &mut lead);
    for field in schema.fields() {
        let name = field.name.as_str();
        let missing = part.presence(field) == Presence::Required
            && lead.get(name).is_none()
            && object.get(name).is_none_or(is_absent);
        if missing {
            let fault = Fault::new(IssueCode::Missing, "this field is required");
            issues.push(fault.at(pointer("/lead", name)));
        }
    }
    lead
}

/// Null and blank text are how forms send a field that was not filled in.
fn is_absent(json: &Json<'_>) -> bool {
    match json {
        Json::Null => true,
        Json::Text(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// Fields that a ping may not carry go to the contact part, whatever their class.
fn put(lead: &mut FullLead, field: &Field, value: FieldValue) {
    if field.ping == Presence::No {
        lead.contact.insert(field.name.clone(), value);
    } else if let Err(refused) = lead
        .ping
        .insert(field.name.clone(), field.class, value.clone())
    {
        // A schema refuses contact fields in pings, so this is not reached; it fails safe.
        lead.contact.insert(refused.0, value);
    }
}

/// The state follows from the ZIP where the lead has none.
fn fill_state(schema: &Schema, part: Part, lead: &mut FullLead) {
    let Some((state, zip)) = schema.state_from_zip() else {
        return;
    };
    if lead.get(state.name.as_str()).is_some() || part.presence(state) == Presence::No {
        return;
    }
    if let Some(FieldValue::Text(zip)) = lead.get(zip.name.as_str())
        && let Some(found) = state::of_zip(zip)
    {
        put(lead, state, FieldValue::Text(found.to_owned()));
    }
}
