//! How a contract hears of a lead, and what it pays: the two have to fit.

use std::sync::Arc;

use auction::{PingMode, Price, PriceRules};
use domain::Micros;

use super::Fields;
use super::filter::filter;
use crate::reader::{Cursor, Table};

/// More rules than this are a mistake.
const RULES: usize = 100;

const FORM: &str = "expected `fixed`, or `min` and `max`, or `rules` and `else`: one of the three";

/// A contract that bids has bounds; any other names its price by itself, fixed or by rules.
pub(super) fn ping_and_price(
    table: &mut Table<'_>,
    fields: Option<&Fields>,
) -> (Option<PingMode>, Option<Price>) {
    let modes = [
        ("none", PingMode::None),
        ("check", PingMode::Check),
        ("bid", PingMode::Bid),
    ];
    let ping = table.need("ping").and_then(|c| c.word(&modes));
    let Some(cursor) = table.need("price") else {
        return (ping, None);
    };
    let price = cursor.read_table(|table| {
        let price = price(table, fields)?;
        match (ping?, &price) {
            (PingMode::Bid, Price::Fixed(_) | Price::Rules(_)) => table
                .complain("a contract that bids has a price of the form { min = .., max = .. }"),
            (PingMode::None | PingMode::Check, Price::Bid { .. }) => table.complain(
                "a contract that does not bid has a price of the form { fixed = .. } or \
                 { rules = [..], else = .. }",
            ),
            _ => Some(price),
        }
    });
    (ping, price)
}

fn price(table: &mut Table<'_>, fields: Option<&Fields>) -> Option<Price> {
    let fixed = table.optional("fixed", amount);
    let min = table.optional("min", amount);
    let max = table.optional("max", amount);
    let rules = table.optional("rules", |c| rules(&c, fields));
    let otherwise = table.optional("else", amount);
    match (fixed?, (min?, max?), (rules?, otherwise?)) {
        (Some(fixed), (None, None), (None, None)) => Some(Price::Fixed(fixed)),
        (None, (Some(min), Some(max)), (None, None)) if min <= max => Some(Price::Bid { min, max }),
        (None, (Some(_), Some(_)), (None, None)) => table.complain("`min` is greater than `max`"),
        (None, (None, None), (Some(rules), Some(otherwise))) => {
            Some(Price::Rules(Arc::new(PriceRules { rules, otherwise })))
        }
        _ => table.complain(FORM),
    }
}

/// `[{ when = "FILTER", price = "12.50" }, ..]`: the first that matches counts.
fn rules(cursor: &Cursor<'_>, fields: Option<&Fields>) -> Option<Vec<(filter::Filter, Micros)>> {
    let items = cursor.items();
    if items.len() > RULES {
        return cursor.complain(format!("a price has at most {RULES} rules"));
    }
    let read: Vec<_> = items
        .iter()
        .map(|c| {
            c.read_table(|table| {
                let when = table.need("when").and_then(|c| filter(&c, fields));
                let price = table.need("price").and_then(amount);
                Some((when?, price?))
            })
        })
        .collect();
    read.into_iter().collect()
}

fn amount(cursor: Cursor<'_>) -> Option<Micros> {
    cursor.with(|text| {
        let amount = text.parse::<Micros>().ok();
        amount
            .filter(|amount| *amount > Micros::ZERO)
            .ok_or_else(|| "expected an amount above zero, as text: \"12.50\"".to_owned())
    })
}
