//! The tables for analysts: which ClickHouse server has them, and how long rows stay.

use std::path::Path;
use std::time::Duration;

use url::Url;

use crate::config::{LogConfig, Secret};
use crate::reader::{Cursor, Table};
use crate::units;

/// A ClickHouse server.
#[derive(Debug, Clone)]
pub struct ClickHouse {
    /// Its HTTP interface.
    pub url: Url,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret<String>,
    /// Whom `https://` trusts instead of the public authorities: certificates as PEM.
    pub authorities: Option<Vec<u8>>,
    /// On how many replicas rows have to be; none: on most of them.
    pub quorum: Option<u8>,
}

/// How long rows stay that no money depends on; none: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// Those of `events`.
    pub events: Option<Duration>,
    /// Those of `auctions`, `pings` and `refusals`.
    pub auctions: Option<Duration>,
}

/// Rows come again while their records are in the log, and events may come late: what is kept for less would
/// come and go.
const SHORTEST: Duration = Duration::from_secs(30 * 86_400);

pub(crate) fn clickhouse(table: &mut Table<'_>, folder: &Path) -> Option<ClickHouse> {
    let text = |c: Cursor<'_>| c.text().map(str::to_owned);
    let url = table.need("url").and_then(|c| c.with(units::web_url));
    let database = table.or("database", "gavel".to_owned(), text);
    let user = table.or("user", "default".to_owned(), text);
    let password = password(table, folder);
    let authorities_at = table.get("authorities");
    let authorities = match &authorities_at {
        Some(c) => content(c, folder).map(Some),
        None => Some(None),
    };
    let quorum = table.optional("quorum", |c| c.int(1, 9));
    let url = url?;
    if let (Some(at), "http") = (authorities_at, url.scheme()) {
        return at.complain("`authorities` are for an `https://` address");
    }
    Some(ClickHouse {
        url,
        database: database?,
        user: user?,
        password: Secret(password?),
        authorities: authorities?,
        quorum: quorum?.and_then(|replicas| u8::try_from(replicas).ok()),
    })
}

/// In place, or in a file of its own, which may end in a line feed.
fn password(table: &mut Table<'_>, folder: &Path) -> Option<String> {
    let (here, file) = (table.get("password"), table.get("password_file"));
    match (here, file) {
        (None, None) => Some(String::new()),
        (Some(here), None) => here.text().map(str::to_owned),
        (None, Some(file)) => {
            let text = String::from_utf8(content(&file, folder)?);
            match text {
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(_) => file.complain("it is no text"),
            }
        }
        (Some(_), Some(file)) => file.complain("there is a `password` as well"),
    }
}

/// What is in the file that is named there.
fn content(file: &Cursor<'_>, folder: &Path) -> Option<Vec<u8>> {
    let path = file.path(folder)?;
    match std::fs::read(&path) {
        Ok(content) => Some(content),
        Err(error) => file.complain(format!("cannot read {}: {error}", path.display())),
    }
}

pub(crate) fn keep(table: &mut Table<'_>, log: Option<&LogConfig>) -> Option<Keep> {
    let shortest = log.map_or(SHORTEST, |log| log.retention.max(SHORTEST));
    let mut span = |name| {
        table.optional(name, |c| {
            let span = c.with(units::duration)?;
            match span < shortest {
                true => c.complain("expected at least 30d, and no less than `log.retention`"),
                false => Some(span),
            }
        })
    };
    let (events, auctions) = (span("events"), span("auctions"));
    Some(Keep {
        events: events?,
        auctions: auctions?,
    })
}
