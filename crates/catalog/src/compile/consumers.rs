//! Suppression lists and rules of duplicates.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::FieldName;
use intake::hash::{HashAlg, HashForm, PhoneSpelling};
use intake::{Kind, Schema, Suppression};

use super::schema::Fields;
use crate::reader::{Cursor, Table};
use crate::suggest::closest;
use crate::{DuplicateAgainst, DuplicateRule, DuplicateScope, units};

/// Suppression lists by name.
pub(super) type Lists = BTreeMap<String, Arc<Suppression>>;

/// Windows are no longer than this: what is remembered of a consumer takes memory.
const LONGEST: Duration = Duration::from_secs(400 * 86_400);

/// `{ of = "phone", alg = "sha256", spelling = "e164", hashes = [..] }`; a `file` was put in the
/// place of `hashes` before.
pub(super) fn suppression(cursor: &Cursor<'_>) -> Option<Arc<Suppression>> {
    cursor.read_table(|table| {
        let of = table.need("of");
        let of = of.and_then(|c| c.word(&[("phone", true), ("email", false)]));
        let algs = HashAlg::ALL.map(|alg| (alg.as_str(), alg));
        let alg = table.need("alg").and_then(|c| c.word(&algs));
        let spellings = PhoneSpelling::ALL.map(|spelling| (spelling.as_str(), spelling));
        let spelling = table.get("spelling");
        if let (Some(spelling), Some(false)) = (&spelling, of) {
            spelling.complain::<()>("only hashes of phone numbers have this");
        }
        let spelling = match spelling {
            Some(spelling) if of == Some(true) => spelling.word(&spellings),
            _ => Some(PhoneSpelling::National10),
        };
        if let Some(file) = table.get("file") {
            file.complain::<()>("a file is read only for a catalog that is a file itself");
        }
        let hashes = table.need("hashes")?;
        let form = match of? {
            true => HashForm::Phone(alg?, spelling?),
            false => HashForm::Email(alg?),
        };
        let items = hashes.items();
        let texts: Vec<&str> = items.iter().filter_map(Cursor::text).collect();
        if texts.len() < items.len() {
            return None;
        }
        match Suppression::new(form, texts) {
            Ok(list) => Some(Arc::new(list)),
            Err(wrong) => {
                let digits = form.alg().digits();
                for at in wrong.iter().take(10) {
                    if let Some(item) = items.get(*at) {
                        item.complain::<()>(format!("expected {digits} hex digits"));
                    }
                }
                None
            }
        }
    })
}

/// `suppress = ["dnc"]`.
pub(super) fn suppress(table: &mut Table<'_>, lists: &Lists) -> Option<Vec<Arc<Suppression>>> {
    table.or("suppress", Vec::new(), |c| {
        let items = c.items();
        let named = items.iter().map(|item| {
            let name = item.text()?;
            match lists.get(name) {
                Some(list) => Some(Arc::clone(list)),
                None => {
                    let hint = closest(name, lists.keys().map(String::as_str))
                        .map(|known| format!(": did you mean `{known}`?"))
                        .unwrap_or_default();
                    item.complain(format!("there is no good suppression list `{name}`{hint}"))
                }
            }
        });
        named.collect::<Vec<_>>().into_iter().collect()
    })
}

/// `duplicates = [{ fields = ["phone", "email"], match = "any", window = "30d" }, ..]`.
pub(super) fn duplicates(
    table: &mut Table<'_>,
    fields: Option<&Fields>,
) -> Option<Vec<DuplicateRule>> {
    let schema = fields.and_then(|fields| fields.schema.as_deref());
    table.or("duplicates", Vec::new(), |c| {
        let items = c.items();
        let rules = items.iter().map(|c| rule(c, schema));
        rules.collect::<Vec<_>>().into_iter().collect()
    })
}

fn rule(cursor: &Cursor<'_>, schema: Option<&Schema>) -> Option<DuplicateRule> {
    cursor.read_table(|table| {
        let fields = table.need("fields").and_then(|c| {
            let items = c.items();
            if items.is_empty() {
                return c.complain("expected at least one field");
            }
            let named = items.iter().map(|item| field(item, schema));
            named.collect::<Vec<_>>().into_iter().collect()
        });
        let matches = [("any", false), ("all", true)];
        let all = table.or("match", false, |c| c.word(&matches));
        let window = table.need("window").and_then(|c| window(&c));
        let scopes = [
            ("campaign", DuplicateScope::Campaign),
            ("publisher", DuplicateScope::Publisher),
        ];
        let scope = table.or("scope", DuplicateScope::Campaign, |c| c.word(&scopes));
        let against = [
            ("sold", DuplicateAgainst::Sold),
            ("all", DuplicateAgainst::All),
        ];
        let against = table.or("against", DuplicateAgainst::Sold, |c| c.word(&against));
        Some(DuplicateRule {
            fields: fields?,
            all: all?,
            window: window?,
            scope: scope?,
            against: against?,
        })
    })
}

fn field(item: &Cursor<'_>, schema: Option<&Schema>) -> Option<FieldName> {
    let name = item.text()?;
    let Some(schema) = schema else {
        return name.parse().ok();
    };
    match schema.field(name).map(|field| &field.kind) {
        Some(Kind::Derived(derived)) => item.complain(format!(
            "`{name}` follows from `{}`: name that, its hashes are compared with it",
            derived.from
        )),
        Some(_) => name.parse().ok(),
        None => item.complain(format!("the campaign has no field `{name}`")),
    }
}

/// A window of a rule or a buyer.
pub(super) fn window(cursor: &Cursor<'_>) -> Option<Duration> {
    cursor.with(|text| {
        let window = units::duration(text)?;
        match window <= LONGEST {
            true => Ok(window),
            false => Err("is longer than 400d".to_owned()),
        }
    })
}
