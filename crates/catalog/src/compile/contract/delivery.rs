//! How a contract is reached: URLs, headers, answers, and what its pings carry.

use std::collections::BTreeSet;

use auction::PingMode;
use buyer::NotTaken;
use domain::{FieldClass, FieldName};
use url::Url;

use super::Fields;
use crate::reader::{Cursor, Table};
use crate::units;

pub(super) fn urls(
    table: &mut Table<'_>,
    ping: Option<PingMode>,
) -> (Option<Option<Url>>, Option<Url>) {
    let url = |c: Cursor<'_>| c.with(units::web_url);
    let ping_url = match ping {
        Some(PingMode::Check | PingMode::Bid) => table.need("ping_url").and_then(url).map(Some),
        Some(PingMode::None) => table.optional("ping_url", |c| {
            c.complain("a contract without pings has no ping URL")
        }),
        None => table.optional("ping_url", url),
    };
    (ping_url, table.need("post_url").and_then(url))
}

/// Headers that a contract may not set: they belong to the connection and to the message.
const RESERVED: [&str; 8] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn headers(cursor: &Cursor<'_>) -> Option<Vec<(String, String)>> {
    let read: Vec<_> = cursor
        .entries()
        .into_iter()
        .map(|(name, c)| {
            let value = c.text()?;
            let name = match http::HeaderName::try_from(name) {
                Ok(name) if RESERVED.contains(&name.as_str()) => {
                    return c.complain("this header is set by the service");
                }
                Ok(name) => name,
                Err(_) => return c.complain("is no name of a header"),
            };
            match http::HeaderValue::try_from(value) {
                Ok(_) => Some((name.to_string(), value.to_owned())),
                Err(_) => c.complain("is no value of a header"),
            }
        })
        .collect();
    read.into_iter().collect()
}

pub(super) fn not_taken(cursor: &Cursor<'_>) -> Option<NotTaken> {
    let read: Vec<_> = cursor.items().iter().map(|c| c.int(300, 599)).collect();
    let statuses: Option<BTreeSet<u16>> = read
        .into_iter()
        .map(|status| status.and_then(|status| u16::try_from(status).ok()))
        .collect();
    statuses.map(NotTaken)
}

/// Sensitive fields that pings carry: they have to be fields of a ping.
pub(super) fn sensitive(
    cursor: &Cursor<'_>,
    fields: Option<&Fields>,
) -> Option<BTreeSet<FieldName>> {
    let read: Vec<_> = cursor
        .items()
        .iter()
        .map(|c| {
            let name = c.text()?;
            let Some(fields) = fields else {
                return name.parse().ok();
            };
            if !fields.types.contains_key(name) {
                return c.complain(format!("the campaign has no field `{name}`"));
            }
            match fields.schema.as_ref()?.field(name)? {
                field if field.class == FieldClass::Sensitive => Some(field.name.clone()),
                _ => c.complain(format!("`{name}` is not of class `sensitive`")),
            }
        })
        .collect();
    read.into_iter().collect()
}
