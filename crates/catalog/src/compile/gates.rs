//! How many requests a publisher may send a second, how many calls a buyer or a contract takes, and the
//! breaker that keeps calls from a contract which fails them.

use std::num::NonZeroU32;
use std::time::Duration;

use auction::BreakerRules;
use domain::Ppm;

use crate::reader::{Cursor, Table};
use crate::{Rates, units};

/// So many a second.
pub(super) fn per_second(cursor: &Cursor<'_>) -> Option<NonZeroU32> {
    let number = cursor.int(1, 1_000_000)?;
    NonZeroU32::new(u32::try_from(number).ok()?)
}

/// `pings_per_s` and `posts_per_s`.
pub(super) fn rates(table: &mut Table<'_>) -> Option<Rates> {
    let pings = table.optional("pings_per_s", |c| per_second(&c));
    let posts = table.optional("posts_per_s", |c| per_second(&c));
    Some(Rates {
        pings_per_s: pings?,
        posts_per_s: posts?,
    })
}

/// `breaker = { of_last = 20, failures = "50%", .. }`; the inner none for `{ on = false }`.
pub(super) fn breaker(table: &mut Table<'_>) -> Option<Option<BreakerRules>> {
    table.section("breaker", |table| {
        let usual = BreakerRules::default();
        let on = table.or("on", true, |c| c.flag());
        let failures = table.or("failures", usual.failures, |c| share(&c));
        let of_last = table.or("of_last", usual.of_last.into(), |c| c.int(1, 1_000));
        let at_least = table.or("at_least", usual.at_least.into(), |c| c.int(1, 1_000));
        let within = table.or("within", usual.within, |c| span(&c));
        let open_for = table.or("open_for", usual.open_for, |c| span(&c));
        let open_at_most = table.or("open_at_most", usual.open_at_most, |c| span(&c));
        let (of_last, at_least) = (of_last?, at_least?);
        if at_least > of_last {
            return table.complain("`at_least` is more than `of_last`: it would never open");
        }
        let (open_for, open_at_most) = (open_for?, open_at_most?);
        if open_for > open_at_most {
            return table.complain("`open_for` is longer than `open_at_most`");
        }
        let rules = BreakerRules {
            failures: failures?,
            of_last: u16::try_from(of_last).ok()?,
            at_least: u16::try_from(at_least).ok()?,
            within: within?,
            open_for,
            open_at_most,
        };
        Some(on?.then_some(rules))
    })
}

fn share(cursor: &Cursor<'_>) -> Option<Ppm> {
    cursor.with(units::percent)
}

fn span(cursor: &Cursor<'_>) -> Option<Duration> {
    let span = cursor.with(units::duration)?;
    if span.is_zero() {
        return cursor.complain("expected a time span longer than none");
    }
    Some(span)
}
