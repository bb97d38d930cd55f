//! What a campaign lays down for its auctions.

use std::time::Duration;

use auction::{AfterTmax, Policy, Promise, RankBy, Rules};
use domain::{Currency, Micros, Payout};

use super::tracking;
use crate::reader::Table;
use crate::units;

/// The rules of the campaign; each publisher's payout is put in later.
pub(super) fn rules(table: &mut Table<'_>) -> Option<Rules> {
    let promises = [
        ("break_even", Promise::BreakEven),
        ("keep_margin", Promise::KeepMargin),
        ("reprice", Promise::Reprice),
    ];
    let currency = table.or("currency", Currency::USD, |c| {
        c.parse("a currency code like \"USD\"")
    });
    let min_margin = table.or("min_margin", Micros::ZERO, tracking::amount);
    let policies = [
        ("highest", Policy::Highest),
        ("priority", Policy::Priority),
        ("round_robin", Policy::RoundRobin),
    ];
    let policy = table.or("policy", Policy::default(), |c| c.word(&policies));
    let worths = [
        ("revenue", RankBy::Revenue),
        ("payout", RankBy::Payout),
        ("margin", RankBy::Margin),
    ];
    let rank_by = table.or("rank_by", RankBy::default(), |c| c.word(&worths));
    let penalty = table.or("penalty", true, |c| c.flag());
    let two = Duration::from_secs(2);
    let ping_timeout = table.or("ping_timeout", two, |c| c.with(units::duration));
    let fifty = Duration::from_millis(50);
    let answer_reserve = table.or("answer_reserve", fifty, |c| c.with(units::duration));
    let five = Duration::from_secs(300);
    let quote_ttl = table.or("quote_ttl", five, |c| c.with(units::duration));
    let min_ladder = table.or("min_ladder", 3, |c| c.int(1, 100));
    let max_posts = table.or("max_posts", 5, |c| c.int(1, 100));
    let after_tmax = after_tmax(table);
    let quote_promise = table.or("quote_promise", Promise::BreakEven, |c| c.word(&promises));
    let direct_promise = table.or("direct_promise", Promise::Reprice, |c| c.word(&promises));
    Some(Rules {
        currency: currency?,
        payout: Payout::Fixed(Micros::ZERO),
        min_margin: min_margin?,
        policy: policy?,
        rank_by: rank_by?,
        penalty: penalty?,
        ping_timeout: ping_timeout?,
        answer_reserve: answer_reserve?,
        quote_ttl: quote_ttl?,
        min_ladder: u16::try_from(min_ladder?).ok()?,
        max_posts: u16::try_from(max_posts?).ok()?,
        after_tmax: after_tmax?,
        quote_promise: quote_promise?,
        direct_promise: direct_promise?,
        limits: None,
    })
}

/// `continue` may go on until `ladder_deadline`, which means nothing under `settle`.
fn after_tmax(table: &mut Table<'_>) -> Option<AfterTmax> {
    #[derive(Clone, Copy, PartialEq)]
    enum After {
        Settle,
        Continue,
    }
    let words = [("settle", After::Settle), ("continue", After::Continue)];
    let after = table.or("after_tmax", After::Settle, |c| c.word(&words));
    let ladder_deadline = table.optional("ladder_deadline", |c| c.with(units::duration));
    match (after?, ladder_deadline?) {
        (After::Settle, None) => Some(AfterTmax::Settle),
        (After::Settle, Some(_)) => {
            table.complain("`ladder_deadline` needs `after_tmax = \"continue\"`")
        }
        (After::Continue, limit) => Some(AfterTmax::Continue {
            ladder_deadline: limit.unwrap_or(Duration::from_secs(60)),
        }),
    }
}
