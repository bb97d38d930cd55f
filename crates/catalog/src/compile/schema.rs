//! Schemas: the fields of leads, and what a filter has to know of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{FieldClass, FieldName, FieldValue};
use filter::{FieldType, FieldTypes};
use intake::hash::{HashAlg, HashForm, PhoneSpelling};
use intake::{Choices, Derived, Field, Kind, Presence, Rule, Schema, What};

use crate::reader::{Cursor, Table};

/// A schema, and the same for filters.
pub(super) struct Fields {
    /// None if it is broken.
    pub(super) schema: Option<Arc<Schema>>,
    /// All fields, also the broken ones.
    pub(super) types: FieldTypes,
}

pub(super) fn schema(cursor: &Cursor<'_>) -> Option<Fields> {
    let entries = cursor.entries();
    let mut types = FieldTypes::new();
    let mut fields = Vec::with_capacity(entries.len());
    for (name, cursor) in &entries {
        let name: FieldName = match name.parse() {
            Ok(name) => name,
            Err(error) => {
                cursor.complain::<()>(error.to_string());
                continue;
            }
        };
        let field = field(&name, cursor);
        let field_type = field
            .as_ref()
            .map_or(FieldType::Unchecked, |field| filter_type(&field.kind));
        types.insert(name, field_type);
        fields.extend(field);
    }
    let whole = fields.len() == entries.len();
    let schema = match Schema::new(fields) {
        Ok(schema) => whole.then(|| Arc::new(schema)),
        Err(errors) => {
            for error in errors {
                let named = |(name, _): &&(&str, Cursor<'_>)| *name == error.field.as_str();
                let place = entries.iter().find(named).map_or(cursor, |(_, c)| c);
                place.complain::<()>(format!("this field {}", error.why));
            }
            None
        }
    };
    Some(Fields { schema, types })
}

const PRESENCE: [(&str, Presence); 3] = [
    ("required", Presence::Required),
    ("optional", Presence::Optional),
    ("no", Presence::No),
];

fn field(name: &FieldName, cursor: &Cursor<'_>) -> Option<Field> {
    cursor.read_table(|table| {
        let classes = [
            ("open", FieldClass::Open),
            ("sensitive", FieldClass::Sensitive),
            ("contact", FieldClass::Contact),
        ];
        let kind = kind(table);
        let class = kind.as_ref().map_or(FieldClass::Open, class_of);
        let class = table.or("class", class, |c| c.word(&classes));
        let ping = match class {
            Some(FieldClass::Contact) => Presence::No,
            _ => Presence::Optional,
        };
        let ping = table.or("ping", ping, |c| c.word(&PRESENCE));
        let post = match ping {
            Some(Presence::Required) => Presence::Required,
            _ => Presence::Optional,
        };
        let post = table.or("post", post, |c| c.word(&PRESENCE));
        let locked = match (&kind, class) {
            (Some(Kind::Date | Kind::Derived(_)), _) => true,
            (Some(Kind::Ip | Kind::Url | Kind::Page | Kind::TrustedForm | Kind::Jornaya), _) => {
                false
            }
            (_, class) => class == Some(FieldClass::Open),
        };
        let locked = table.or("locked", locked, |c| c.flag());
        let rules = rules(table, kind.as_ref());
        Some(Field {
            name: name.clone(),
            kind: kind?,
            class: class?,
            ping: ping?,
            post: post?,
            locked: locked?,
            rules: rules?,
        })
    })
}

/// The class of a field that states none.
const fn class_of(kind: &Kind) -> FieldClass {
    match kind {
        Kind::Derived(Derived {
            what: What::Hash(_) | What::Last4 | What::Domain,
            ..
        })
        | Kind::TrustedForm
        | Kind::Jornaya => FieldClass::Sensitive,
        _ => FieldClass::Open,
    }
}

fn kind(table: &mut Table<'_>) -> Option<Kind> {
    let kinds = [
        ("text", "text"),
        ("int", "int"),
        ("bool", "bool"),
        ("enum", "enum"),
        ("zip", "zip"),
        ("state", "state"),
        ("date", "date"),
        ("phone", "phone"),
        ("email", "email"),
        ("url", "url"),
        ("page", "page"),
        ("ip", "ip"),
        ("phone_hash", "phone_hash"),
        ("email_hash", "email_hash"),
        ("phone_npa", "phone_npa"),
        ("phone_last4", "phone_last4"),
        ("email_domain", "email_domain"),
        ("trustedform_url", "trustedform_url"),
        ("jornaya_leadid", "jornaya_leadid"),
    ];
    let word = table.need("type").and_then(|c| c.word(&kinds));
    let (values, aliases) = (table.get("values"), table.get("aliases"));
    let country = table.get("country");
    for (member, owner) in [(&values, "enum"), (&aliases, "enum"), (&country, "phone")] {
        if let (Some(member), Some(word)) = (member, word)
            && word != owner
        {
            member.complain::<()>(format!("only fields of type `{owner}` have this"));
        }
    }
    let derived = derived(table, word);
    match word? {
        "phone_hash" | "email_hash" | "phone_npa" | "phone_last4" | "email_domain" => {
            derived.map(Kind::Derived)
        }
        "trustedform_url" => Some(Kind::TrustedForm),
        "jornaya_leadid" => Some(Kind::Jornaya),
        "int" => Some(Kind::Int),
        "bool" => Some(Kind::Bool),
        "enum" => match values {
            Some(values) => choices(&values, aliases).map(Kind::Enum),
            None => table.complain("an enum has a list of `values`"),
        },
        "zip" => Some(Kind::Zip),
        "state" => Some(Kind::State),
        "date" => Some(Kind::Date),
        "phone" => match country {
            Some(country) => country.with(|code| {
                Kind::phone(code).ok_or_else(|| "expected a country code like \"US\"".to_owned())
            }),
            None => Kind::phone("US"),
        },
        "email" => Some(Kind::Email),
        "url" => Some(Kind::Url),
        "page" => Some(Kind::Page),
        "ip" => Some(Kind::Ip),
        _ => Some(Kind::Text),
    }
}

/// `from = "phone"`, and of hashes `alg = "md5"` and `of = "national10"`.
fn derived(table: &mut Table<'_>, word: Option<&str>) -> Option<Derived> {
    let algs = HashAlg::ALL.map(|alg| (alg.as_str(), alg));
    let spellings = PhoneSpelling::ALL.map(|spelling| (spelling.as_str(), spelling));
    let (from, alg, of) = (table.get("from"), table.get("alg"), table.get("of"));
    let hash = matches!(word, Some("phone_hash" | "email_hash"));
    let of_email = matches!(word, Some("email_hash" | "email_domain"));
    let known = hash || of_email || matches!(word, Some("phone_npa" | "phone_last4"));
    let owners = [
        (
            &from,
            known,
            "only fields that follow from another one have this",
        ),
        (&alg, hash, "only hashes have this"),
        (
            &of,
            word == Some("phone_hash"),
            "only fields of type `phone_hash` have this",
        ),
    ];
    for (member, fits, why) in owners {
        if let (Some(member), Some(_), false) = (member, word, fits) {
            member.complain::<()>(why);
        }
    }
    if !known {
        return None;
    }
    let alg = match alg {
        Some(alg) if hash => alg.word(&algs),
        _ => Some(HashAlg::Md5),
    };
    let of = match of {
        Some(of) if word == Some("phone_hash") => of.word(&spellings),
        _ => Some(PhoneSpelling::National10),
    };
    let from = match from {
        Some(from) => from.parse("the name of a field"),
        None => if of_email { "email" } else { "phone" }.parse().ok(),
    };
    let what = match word? {
        "phone_hash" => What::Hash(HashForm::Phone(alg?, of?)),
        "email_hash" => What::Hash(HashForm::Email(alg?)),
        "phone_npa" => What::Npa,
        "phone_last4" => What::Last4,
        _ => What::Domain,
    };
    Some(Derived { from: from?, what })
}

/// `values = ["a", "b"]`, `aliases = { b = ["B", "bee"] }`.
fn choices(list: &Cursor<'_>, aliases: Option<Cursor<'_>>) -> Option<Choices> {
    let aliases = aliases.map_or_else(Vec::new, |c| c.entries());
    let mut values: Vec<(String, Vec<String>)> = list
        .items()
        .iter()
        .filter_map(|value| Some((value.text()?.to_owned(), Vec::new())))
        .collect();
    if values.is_empty() {
        return list.complain("an enum has at least one value");
    }
    for (value, cursor) in aliases {
        let spellings = cursor.items();
        match values.iter_mut().find(|(known, _)| known == value) {
            Some((_, known)) => {
                known.extend(spellings.iter().filter_map(|c| c.text().map(str::to_owned)));
            }
            None => {
                cursor.complain::<()>(format!("`{value}` is not one of `values`"));
            }
        }
    }
    match Choices::new(values) {
        Ok(choices) => Some(choices),
        Err(error) => list.complain(error.to_string()),
    }
}

fn rules(table: &mut Table<'_>, kind: Option<&Kind>) -> Option<Vec<Rule>> {
    let bound = |c: Cursor<'_>| match kind {
        Some(Kind::Int) => c.int(i64::MIN, i64::MAX).map(FieldValue::Int),
        Some(Kind::Date) => c.with(|text| FieldType::Date.value(text)),
        Some(_) => c.complain("only numbers and dates have a least and a greatest value"),
        None => None,
    };
    let min = table.optional("min", bound);
    let max = table.optional("max", bound);
    let min_length = table.optional("min_length", |c| c.int(0, 100_000));
    let max_length = table.optional("max_length", |c| c.int(1, 100_000));
    let pattern = table.optional("pattern", |c| {
        c.with(|text| Rule::pattern(text).map_err(|error| format!("is no pattern: {error}")))
    });

    let mut rules = Vec::new();
    let (min, max) = (min?, max?);
    if let (Some(min), Some(max)) = (&min, &max)
        && min > max
    {
        return table.complain("`min` is greater than `max`");
    }
    if min.is_some() || max.is_some() {
        rules.push(Rule::Range { min, max });
    }
    let (min, max) = (min_length?, max_length?);
    if min.is_some() || max.is_some() {
        let (min, max) = (min.unwrap_or(0), max.unwrap_or(100_000));
        if min > max {
            return table.complain("`min_length` is greater than `max_length`");
        }
        rules.push(Rule::Length {
            min: usize::try_from(min).ok()?,
            max: usize::try_from(max).ok()?,
        });
    }
    rules.extend(pattern?);
    Some(rules)
}

/// What a filter can do with a field.
fn filter_type(kind: &Kind) -> FieldType {
    match kind {
        Kind::Int => FieldType::Int,
        Kind::Bool => FieldType::Bool,
        Kind::Enum(choices) => FieldType::Enum(choices.values().clone()),
        Kind::State => {
            let codes: BTreeSet<String> = intake::state::codes().map(str::to_owned).collect();
            FieldType::Enum(codes)
        }
        Kind::Zip => FieldType::Zip,
        Kind::Date => FieldType::Date,
        Kind::Text
        | Kind::Phone(_)
        | Kind::Email
        | Kind::Url
        | Kind::Page
        | Kind::Ip
        | Kind::Derived(_)
        | Kind::TrustedForm
        | Kind::Jornaya => FieldType::Text,
    }
}
