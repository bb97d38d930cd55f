//! Whether rows are there: counted by their identities, for whoever audits what was inserted.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};

use domain::Timestamp;
use serde::Deserialize;

use crate::{Table, Warehouse, WarehouseError};

/// The longest list of one query: its text stays well below the server's `max_query_size`.
const MOST_KEYS: usize = 4096;

/// Which rows are looked for, and by which column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sought {
    /// Events, by id.
    Events,
    /// Conversions, by id.
    Conversions,
    /// A conversion's credits, one per model.
    Credits,
    /// Leads, by id.
    Leads,
    /// Posts, by sale id.
    Posts,
    /// The auction of a publisher's ping, by its id.
    Quotes,
    /// The auction that ended a lead, by the lead.
    Runs,
    /// The pings of a publisher's ping, by its auction.
    QuotePings,
    /// The pings of an auction that ended a lead, by the lead.
    RunPings,
    /// Refused requests, by id.
    Refusals,
}

impl Sought {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Events,
        Self::Conversions,
        Self::Credits,
        Self::Leads,
        Self::Posts,
        Self::Quotes,
        Self::Runs,
        Self::QuotePings,
        Self::RunPings,
        Self::Refusals,
    ];

    /// Their table.
    pub const fn table(self) -> Table {
        match self {
            Self::Events => Table::Events,
            Self::Conversions => Table::Conversions,
            Self::Credits => Table::Credits,
            Self::Leads => Table::Leads,
            Self::Posts => Table::Posts,
            Self::Quotes | Self::Runs => Table::Auctions,
            Self::QuotePings | Self::RunPings => Table::Pings,
            Self::Refusals => Table::Refusals,
        }
    }

    /// The column that holds the key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Events => "event_id",
            Self::Conversions | Self::Credits => "conversion_id",
            Self::Leads | Self::Runs | Self::RunPings => "lead_id",
            Self::Posts => "sale_id",
            Self::Quotes | Self::QuotePings => "auction_id",
            Self::Refusals => "request_id",
        }
    }

    /// The column that, with the key, tells one row from another.
    const fn within_key(self) -> Option<&'static str> {
        match self {
            Self::Credits => Some("model"),
            Self::QuotePings | Self::RunPings => Some("contract"),
            Self::Events
            | Self::Conversions
            | Self::Leads
            | Self::Posts
            | Self::Quotes
            | Self::Runs
            | Self::Refusals => None,
        }
    }

    /// The column that puts a row into its month.
    const fn time(self) -> &'static str {
        match self {
            Self::Events | Self::Conversions | Self::Credits => "ts",
            Self::Leads | Self::Posts => "received_at",
            Self::Quotes | Self::Runs => "ended_at",
            Self::QuotePings | Self::RunPings => "started_at",
            Self::Refusals => "refused_at",
        }
    }

    /// A column and its value in all rows that count: a quote's id is also that of its post's run.
    pub const fn only(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Quotes => Some(("kind", "ping")),
            Self::QuotePings => Some(("lead_id", "")),
            Self::Events
            | Self::Conversions
            | Self::Credits
            | Self::Leads
            | Self::Posts
            | Self::Runs
            | Self::RunPings
            | Self::Refusals => None,
        }
    }
}

#[derive(Deserialize)]
struct Letter {
    offset: u64,
}

impl Warehouse {
    /// How many rows with these keys a table has; one that was written again or is to be replaced
    /// counts once. `keys` are ids in their text form, each named once. With `within`, only months
    /// and parts that reach into that time are read, and rows outside it do not count.
    pub async fn held(
        &self,
        sought: Sought,
        keys: &[&str],
        within: Option<RangeInclusive<Timestamp>>,
    ) -> Result<u64, WarehouseError> {
        let mut held = 0;
        for keys in keys.chunks(MOST_KEYS) {
            held += self.count(&sql(sought, keys, within.as_ref())).await?;
        }
        Ok(held)
    }

    /// The offsets of a partition whose records are in `dead_letters`.
    pub async fn letters(
        &self,
        topic: &'static str,
        partition: u16,
        offsets: Range<u64>,
    ) -> Result<BTreeSet<u64>, WarehouseError> {
        let Range { start, end } = offsets;
        let sql = format!(
            "SELECT offset FROM dead_letters WHERE topic = '{topic}' AND partition = {partition} \
             AND offset >= {start} AND offset < {end}"
        );
        let letters: Vec<Letter> = self.rows(&sql).await?;
        Ok(letters.into_iter().map(|letter| letter.offset).collect())
    }
}

/// The list is one text: the server parses it faster than thousands of literals.
fn sql(sought: Sought, keys: &[&str], within: Option<&RangeInclusive<Timestamp>>) -> String {
    let (table, key) = (sought.table().name(), sought.key());
    let identity = match sought.within_key() {
        Some(column) => format!("{key}, {column}"),
        None => key.to_owned(),
    };
    let list = keys.join(",").replace('\\', "\\\\").replace('\'', "\\'");
    let mut sql = format!(
        "SELECT uniqExact({identity}) FROM {table} \
         WHERE {key} IN (SELECT arrayJoin(splitByChar(',', '{list}')))"
    );
    if let Some((column, value)) = sought.only() {
        sql.push_str(&format!(" AND {column} = '{value}'"));
    }
    if let Some(within) = within {
        let (first, last) = (within.start().as_micros(), within.end().as_micros());
        sql.push_str(&format!(
            " AND {} BETWEEN fromUnixTimestamp64Micro({first}, 'UTC') AND fromUnixTimestamp64Micro({last}, 'UTC')",
            sought.time()
        ));
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_list_fits_into_a_query_and_ends_in_its_quote() {
        let key = format!("sl_{}_65535", "f".repeat(32));
        let keys = vec![key.as_str(); MOST_KEYS];
        assert!(sql(Sought::Posts, &keys, None).len() < 256 * 1024);
        let sql = sql(Sought::Quotes, &["a'b\\"], None);
        assert_eq!(
            sql,
            "SELECT uniqExact(auction_id) FROM auctions WHERE auction_id IN \
             (SELECT arrayJoin(splitByChar(',', 'a\\'b\\\\'))) AND kind = 'ping'"
        );
    }
}
