//! The members of `lead` against the schema: each normalised, all issues collected.

use domain::{FieldClass, FieldName, FieldValue, FullLead};

use crate::body::{Json, Object};
use crate::issue::{Fault, pointer};
use crate::kind::state;
use crate::members::plain;
use crate::{Field, Form, Issue, IssueCode, Kind, Presence, Schema, Unknown};

/// Unknown fields that are kept, at most, and the characters of each.
const EXTRAS: usize = 50;
const EXTRA_CHARS: usize = 500;

/// Certificates of a consent, for the fields that a schema has for them.
#[derive(Default)]
pub(crate) struct Certificates {
    pub(crate) trustedform_url: Option<String>,
    pub(crate) jornaya_leadid: Option<String>,
}

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

/// A lead that was read.
pub(crate) struct ReadLead {
    pub(crate) lead: FullLead,
    /// Fields that were sent with another value than the post's phone number or e-mail gives.
    pub(crate) unlike: Vec<FieldName>,
}

/// Reads the lead. A ping's result has no contact part. `certificates` are those of the consent.
pub(crate) fn read_fields(
    form: &Form,
    part: Part,
    object: &Object<'_>,
    certificates: &Certificates,
    issues: &mut Vec<Issue>,
    warnings: &mut Vec<Issue>,
) -> ReadLead {
    let schema = form.schema.as_ref();
    let mut lead = FullLead::default();
    let mut kept = 0;
    for (name, json) in object {
        let at = || pointer("/lead", name);
        let Some(field) = schema.field(name) else {
            match (form.unknown, part) {
                (Unknown::Refuse, _) => {
                    issues.push(Fault::new(IssueCode::Unknown, "no such field").at(at()));
                }
                (Unknown::Keep, Part::Post) => match extra(name, json, kept) {
                    Ok(extra) => {
                        kept += usize::from(extra.is_some());
                        if let Some((name, value)) = extra {
                            lead.contact.insert(name, value);
                        }
                    }
                    Err(fault) => warnings.push(fault.at(at())),
                },
                (Unknown::Ignore, _) | (Unknown::Keep, Part::Ping) => {
                    let fault = Fault::new(IssueCode::Unknown, "no such field; ignored");
                    warnings.push(fault.at(at()));
                }
            }
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
    fill_certificates(schema, part, certificates, &mut lead);
    let unlike = match part {
        Part::Ping => Vec::new(),
        Part::Post => derive(schema, &mut lead),
    };
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
    ReadLead { lead, unlike }
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

/// A field that the schema has not, as it is kept: in text, under a name that fields may have. None if
/// it is absent.
fn extra(
    name: &str,
    json: &Json<'_>,
    kept: usize,
) -> Result<Option<(FieldName, FieldValue)>, Fault> {
    let ignored = |message| Fault::new(IssueCode::Unknown, message);
    if is_absent(json) {
        return Ok(None);
    }
    let text = match json {
        Json::Text(text) => text.trim().to_owned(),
        Json::Int(number) => number.to_string(),
        Json::Float(number) => number.to_string(),
        Json::Bool(yes) => yes.to_string(),
        Json::Null | Json::List(_) | Json::Object(_) => {
            return Err(ignored("no such field, and not kept: it is no text"));
        }
    };
    let name = name
        .parse()
        .map_err(|_| ignored("no such field, and not kept: fields cannot have this name"))?;
    if plain(&text, EXTRA_CHARS).is_err() {
        return Err(ignored(
            "no such field, and not kept: more than 500 characters, or control characters",
        ));
    }
    if kept >= EXTRAS {
        return Err(ignored("no such field, and not kept: there are 50 others"));
    }
    Ok(Some((name, FieldValue::Text(text))))
}

/// Certificates that came with the consent, where the lead does not name them itself.
fn fill_certificates(
    schema: &Schema,
    part: Part,
    certificates: &Certificates,
    lead: &mut FullLead,
) {
    for field in schema.fields() {
        let certificate = match field.kind {
            Kind::TrustedForm => &certificates.trustedform_url,
            Kind::Jornaya => &certificates.jornaya_leadid,
            _ => continue,
        };
        if let Some(certificate) = certificate
            && part.presence(field) != Presence::No
            && lead.get(field.name.as_str()).is_none()
        {
            put(lead, field, FieldValue::Text(certificate.clone()));
        }
    }
}

/// Puts in what follows from the post's phone numbers and e-mail addresses. Names the fields whose
/// value is another one than was sent: the hash of somebody else's number.
fn derive(schema: &Schema, lead: &mut FullLead) -> Vec<FieldName> {
    let mut wrong = Vec::new();
    for field in schema.fields() {
        let Kind::Derived(derived) = &field.kind else {
            continue;
        };
        let Some(value) = lead.get(derived.from.as_str()) else {
            continue;
        };
        let value = derived.of(value);
        let sent = lead.get(field.name.as_str());
        if sent.is_some() && sent != value.as_ref() {
            wrong.push(field.name.clone());
        }
        if let Some(value) = value {
            put(lead, field, value);
        }
    }
    wrong
}
