//! What campaigns and contracts can choose between, and what a scenario's catalog has chosen.

use std::collections::BTreeSet;

use auction::{AfterTmax, Cap, CapSize, Policy, PostPrice, Promise, RankBy};
use catalog::Disclosure;
use domain::{CapUnit, CapWindow, Counts, Settlement};

use crate::house;

/// All values of an enum by name; a new one does not compile until it is listed.
macro_rules! all {
    ($type:ident: $($variant:ident)*) => {{
        let all = [$($type::$variant),*];
        for it in &all {
            match it {
                $($type::$variant => {})*
            }
        }
        all.map(|it| chosen(stringify!($type), it))
    }};
}

fn chosen(what: &str, it: impl std::fmt::Debug) -> String {
    format!("{what} {it:?}")
}

fn after_tmax(it: AfterTmax) -> String {
    match it {
        AfterTmax::Settle => "AfterTmax Settle".to_owned(),
        AfterTmax::Continue { .. } => "AfterTmax Continue".to_owned(),
    }
}

fn cap(window: CapWindow, unit: CapUnit) -> String {
    format!("a cap on {unit:?} of a {window:?}")
}

/// All there is to choose.
pub(crate) fn wanted() -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    wanted.extend(all!(Policy: Highest Priority RoundRobin));
    wanted.extend(all!(RankBy: Revenue Payout Margin));
    wanted.extend(all!(Disclosure: None Code Full));
    wanted.extend(all!(PostPrice: Bid Answer));
    wanted.extend(all!(Settlement: Accepted Rejected));
    wanted.extend(all!(Counts: Sold Sent));
    for call in ["quote", "direct post"] {
        let promises = all!(Promise: BreakEven KeepMargin Reprice);
        wanted.extend(promises.map(|promise| format!("{call}: {promise}")));
    }
    let ladder_deadline = std::time::Duration::ZERO;
    let after = [AfterTmax::Settle, AfterTmax::Continue { ladder_deadline }];
    wanted.extend(after.map(after_tmax));
    for window in CapWindow::ALL {
        wanted.extend([CapUnit::Leads, CapUnit::Money].map(|unit| cap(window, unit)));
    }
    wanted
}

/// What the catalog of a scenario has chosen.
pub(crate) fn of(catalog: &str) -> BTreeSet<String> {
    // Nobody is called here.
    let snapshot = house::snapshot(catalog, ([127, 0, 0, 1], 1).into());
    let mut seen = BTreeSet::new();
    let mut caps: Vec<Cap> = Vec::new();
    for campaign in snapshot.campaigns.values() {
        seen.insert(chosen("Disclosure", campaign.disclosure));
        for terms in campaign.publishers.values() {
            let rules = &terms.rules;
            seen.insert(chosen("Policy", rules.policy));
            seen.insert(chosen("RankBy", rules.rank_by));
            seen.insert(after_tmax(rules.after_tmax));
            let (quote, direct) = (rules.quote_promise, rules.direct_promise);
            seen.insert(format!("quote: {}", chosen("Promise", quote)));
            seen.insert(format!("direct post: {}", chosen("Promise", direct)));
            caps.extend(rules.limits.iter().flat_map(|limits| &limits.caps.caps));
        }
        for terms in campaign.book.terms() {
            seen.insert(chosen("PostPrice", terms.post_price));
            seen.insert(chosen("Settlement", terms.on_unsettled));
            caps.extend(terms.caps.iter().chain(&terms.publisher_caps));
            caps.extend(&terms.account.caps.caps);
        }
    }
    for limit in caps {
        let unit = match limit.size {
            CapSize::Leads(_) => CapUnit::Leads,
            CapSize::Money(_) => CapUnit::Money,
        };
        seen.insert(cap(limit.window, unit));
        seen.insert(chosen("Counts", limit.counts));
    }
    seen
}
