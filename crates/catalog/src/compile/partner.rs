//! Publishers and buyers, with their keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{BuyerName, PublisherName};

use super::{gates, limits, outbound};
use crate::key::{KeyDigest, Owner, add_keys};
use crate::reader::Cursor;
use crate::{Buyer, Pool, Publisher, units};

/// Keys by digest.
type Keys = HashMap<KeyDigest, Owner>;

pub(super) fn publisher(
    name: &PublisherName,
    cursor: &Cursor<'_>,
    keys: &mut Keys,
) -> Option<Publisher> {
    cursor.read_table(|table| {
        let on = table.or("on", true, |c| c.flag());
        if let Some(list) = table.get("keys") {
            add_keys(keys, &list, &Owner::Publisher(name.clone()));
        }
        let requests = table.optional("requests_per_s", |c| gates::per_second(&c));
        let postback = table.optional("postback", |c| c.read_table(outbound::postback));
        Some(Publisher {
            name: name.clone(),
            on: on?,
            requests_per_s: requests?,
            postback: postback?,
        })
    })
}

pub(super) fn buyer(name: &BuyerName, cursor: &Cursor<'_>, keys: &mut Keys) -> Option<Buyer> {
    cursor.read_table(|table| {
        let on = table.or("on", true, |c| c.flag());
        if let Some(list) = table.get("keys") {
            add_keys(keys, &list, &Owner::Buyer(name.clone()));
        }
        let connections = table.or("connections", 64, |c| c.int(1, 10_000));
        let (half, ten) = (Duration::from_millis(500), Duration::from_secs(10));
        let connect_timeout = table.or("connect_timeout", half, |c| c.with(units::duration));
        let idle_timeout = table.or("idle_timeout", ten, |c| c.with(units::duration));
        let answer = table.or("answer_limit", 64 << 10, |c| c.with(units::size));
        let account = limits::account(table);
        let rates = gates::rates(table);
        Some(Buyer {
            name: name.clone(),
            on: on?,
            account: Arc::new(account?),
            rates: rates?,
            pool: Pool {
                connections: usize::try_from(connections?).ok()?,
                connect_timeout: connect_timeout?,
                idle_timeout: idle_timeout?,
                answer_bytes: usize::try_from(answer?).ok()?,
            },
        })
    })
}
