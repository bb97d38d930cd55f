//! Filters: their text, and their mistakes as problems of the catalog.

use filter::Filter;

use super::Fields;
use crate::reader::Cursor;

/// Compiles a filter. Without fields, because they are broken, only its grammar is checked.
pub(super) fn filter(cursor: &Cursor<'_>, fields: Option<&Fields>) -> Option<Filter> {
    let text = cursor.text()?;
    let compiled = match fields {
        Some(fields) => filter::compile(text, &fields.types),
        None => filter::parse(text).map(|_| Filter::default()),
    };
    match compiled {
        Ok(filter) => Some(filter),
        Err(issues) => {
            for issue in issues {
                let from = text.get(issue.at..).unwrap_or_default();
                let near: String = from.chars().take(20).collect();
                let place = if near.is_empty() {
                    "at its end".to_owned()
                } else {
                    format!("at `{near}`")
                };
                cursor.complain::<()>(format!("{place}: {}", issue.message));
            }
            None
        }
    }
}
