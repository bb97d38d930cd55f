//! Caps: `[{ window = "day", leads = 60 }, { window = "month", money = "5000.00", counts = "sent" }]`;
//! and what a buyer has paid in.

use std::collections::BTreeSet;

use auction::{Account, Cap, CapSize, Caps};
use domain::{CapUnit, CapWindow, Counts, Currency, Micros, Zone};

use super::tracking::amount;
use crate::reader::{Cursor, Table};

/// `prepaid`, `credit`, `caps` and `zone` of a buyer. Without `prepaid` and `credit` its balance is
/// not limited.
pub(super) fn account(table: &mut Table<'_>) -> Option<Account> {
    let caps = zoned(table);
    let currency = table.or("currency", Currency::USD, |c| {
        c.parse("a currency code like \"USD\"")
    });
    let prepaid = table.optional("prepaid", amount);
    let credit = table.optional("credit", amount);
    let balance = match (prepaid?, credit?) {
        (None, None) => None,
        (prepaid, credit) => {
            let sum = prepaid
                .unwrap_or(Micros::ZERO)
                .plus(credit.unwrap_or(Micros::ZERO));
            let Ok(sum) = sum else {
                return table.complain("`prepaid` and `credit` together are out of range");
            };
            Some(sum)
        }
    };
    Some(Account {
        caps: caps?,
        currency: currency?,
        balance,
    })
}

/// Whether an account counts money, so that its contracts have to be in its currency.
pub(super) fn counts_money(account: &Account) -> bool {
    let mut caps = account.caps.caps.iter();
    account.balance.is_some() || caps.any(|cap| cap.meter().unit() == CapUnit::Money)
}

/// `caps` with the `zone` of their windows.
pub(super) fn zoned(table: &mut Table<'_>) -> Option<Caps> {
    let zone = zone(table);
    let caps = caps(table, "caps");
    Some(Caps {
        zone: zone?,
        caps: caps?,
    })
}

/// The zone of a calendar; UTC if none is named.
pub(super) fn zone(table: &mut Table<'_>) -> Option<Zone> {
    table.or("zone", Zone::utc(), |c| {
        c.with(|text| Zone::parse(text).map_err(|error| error.to_string()))
    })
}

/// A list of caps, at most one for each window, unit and way to count; an absent one is empty.
pub(super) fn caps(table: &mut Table<'_>, name: &'static str) -> Option<Vec<Cap>> {
    table.or(name, Vec::new(), |list| {
        let items = list.items();
        let read: Vec<_> = items.iter().map(cap).collect();
        let mut known = BTreeSet::new();
        for (item, cap) in items.iter().zip(&read) {
            if let Some(cap) = cap
                && !known.insert(cap.meter())
            {
                item.complain::<()>("there is another cap like this one above");
                return None;
            }
        }
        read.into_iter().collect()
    })
}

fn cap(cursor: &Cursor<'_>) -> Option<Cap> {
    let windows = CapWindow::ALL.map(|window| (window.as_str(), window));
    let ways = [("sold", Counts::Sold), ("sent", Counts::Sent)];
    cursor.read_table(|table| {
        let window = table.need("window").and_then(|c| c.word(&windows));
        let leads = table.optional("leads", |c| c.int(1, i64::MAX));
        let money = table.optional("money", amount);
        let counts = table.or("counts", Counts::Sold, |c| c.word(&ways));
        let size = match (leads?, money?) {
            (Some(leads), None) => CapSize::Leads(leads),
            (None, Some(money)) => CapSize::Money(money),
            _ => return table.complain("expected either `leads` or `money`"),
        };
        Some(Cap {
            window: window?,
            counts: counts?,
            size,
        })
    })
}
