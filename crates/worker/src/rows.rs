//! From records, states and journeys to rows. Pure: the same input gives the same bytes.

pub(crate) mod auction;
pub(crate) mod conversion;
pub(crate) mod event;
pub(crate) mod lead;
pub(crate) mod refusal;

use std::collections::BTreeMap;

use warehouse::Time;

/// A map as a column.
fn entries<V: Clone>(map: &BTreeMap<String, V>) -> Vec<(String, V)> {
    map.iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// A time that may not have come: records write zero for none.
fn time_or_none(us: i64) -> Option<Time> {
    (us > 0).then_some(Time(us))
}

/// An HTTP status as a column; zero for one that is none.
fn http_status(status: u32) -> u16 {
    u16::try_from(status).unwrap_or(0)
}

#[cfg(test)]
mod tests;
