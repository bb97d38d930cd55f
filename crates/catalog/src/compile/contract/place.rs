//! States and ZIPs: where a contract takes leads.

use auction::{States, Zips};
use filter::FieldType;

use super::Fields;
use crate::reader::Cursor;

/// More entries than this are a mistake.
const ENTRIES: usize = 50_000;

/// `["TX", "OK"]`: needs a field `state` of type `state`.
pub(super) fn states(cursor: &Cursor<'_>, fields: Option<&Fields>) -> Option<States> {
    let holds_states = |field_type: &FieldType| match field_type {
        FieldType::Enum(codes) => intake::state::codes().all(|code| codes.contains(code)),
        other => *other == FieldType::Unchecked,
    };
    needs(cursor, fields, "state", holds_states)?;
    let mut states = States::default();
    let known = |code: &str| intake::state::codes().any(|known| known == code);
    entries(cursor, |code| {
        if known(code) && states.add(code) {
            return Ok(());
        }
        Err("expected the two letters of a US state".to_owned())
    })?;
    Some(states)
}

/// `["78701", "902*", "10000-14999"]`: needs a field `zip` of type `zip`.
pub(super) fn zips(cursor: &Cursor<'_>, fields: Option<&Fields>) -> Option<Zips> {
    let holds_zips =
        |field_type: &FieldType| matches!(field_type, FieldType::Zip | FieldType::Unchecked);
    needs(cursor, fields, "zip", holds_zips)?;
    let mut ranges = Vec::new();
    entries(cursor, |text| {
        ranges.push(Zips::read(text).map_err(|error| error.to_string())?);
        Ok(())
    })?;
    Some(Zips::new(ranges))
}

/// Without fields, because they are broken, nothing is said of them.
fn needs(
    cursor: &Cursor<'_>,
    fields: Option<&Fields>,
    name: &str,
    fits: impl Fn(&FieldType) -> bool,
) -> Option<()> {
    let Some(fields) = fields else {
        return Some(());
    };
    match fields.types.get(name) {
        Some(field_type) if fits(field_type) => Some(()),
        _ => cursor.complain(format!(
            "the campaign has no field `{name}` of type `{name}`"
        )),
    }
}

fn entries(cursor: &Cursor<'_>, mut add: impl FnMut(&str) -> Result<(), String>) -> Option<()> {
    let items = cursor.some_items("entry")?;
    if items.len() > ENTRIES {
        return cursor.complain(format!("at most {ENTRIES} entries"));
    }
    let read: Vec<_> = items.iter().map(|c| c.with(&mut add)).collect();
    read.into_iter().collect()
}
