//! Goals, and how conversions are reported.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use domain::{ConversionStatus, GoalName, Micros};
use ipnet::IpNet;
use url::Url;

use crate::reader::{Cursor, Table};
use crate::suggest::closest;
use crate::tracking::{
    Approval, Goal, GoalPayout, Milestone, Origins, POSTBACK_PARAMETERS, PixelTrust, PostbackIn,
    Repeat, TxidScope, Views, Windows,
};
use crate::{Secret, units};

/// Parameters that say who sent it: never another name for something else.
const RESERVED: [&str; 4] = ["token", "key", "sig", "campaign"];
/// The shortest key of signatures.
const SECRET_BYTES: usize = 16;

pub(super) fn goal(name: &GoalName, table: &mut Table<'_>, usual: Windows) -> Option<Goal> {
    let payout = table.optional("payout", goal_payout);
    let revenue = table.optional("revenue", amount);
    let windows = windows("window", table, usual);
    let approval = table.optional("approval", |c| approval(&c));
    let repeat = table.optional("repeat", |c| {
        let yes = c.flag()?;
        Some(if yes { Repeat::Yes } else { Repeat::No })
    });
    let scopes = [
        ("click", TxidScope::Click),
        ("campaign", TxidScope::Campaign),
    ];
    let txid_scope = table.optional("txid_scope", |c| c.word(&scopes));
    let milestones = [
        ("lead_created", Milestone::LeadCreated),
        ("opportunity_created", Milestone::OpportunityCreated),
    ];
    let milestone = table.optional("milestone", |c| c.word(&milestones));
    let pixel = table.optional("trust_pixel", |c| {
        c.flag().map(|yes| {
            if yes {
                PixelTrust::Trusted
            } else {
                PixelTrust::Untrusted
            }
        })
    });

    let (payout, revenue, approval) = (payout?, revenue?, approval?);
    let (repeat, txid_scope, pixel) = (repeat?, txid_scope?, pixel?);
    if name.as_str() == "lead_sold" {
        if payout.is_some() || revenue.is_some() {
            return table.complain("`lead_sold` is worth what the lead was sold for");
        }
        if approval.is_some() || repeat.is_some() || txid_scope.is_some() || pixel.is_some() {
            return table.complain("`lead_sold` is reported by the service itself: how others are approved and told apart does not concern it");
        }
    }
    Some(Goal {
        name: name.clone(),
        payout,
        revenue,
        windows: windows?,
        approval: approval.unwrap_or(Approval::Auto),
        repeat: repeat.unwrap_or(Repeat::Yes),
        txid_scope: txid_scope.unwrap_or(TxidScope::Click),
        milestone: milestone?,
        pixel: pixel.unwrap_or(PixelTrust::Untrusted),
    })
}

/// How far conversions look back; `click` is the name of the clicks' window, and what is not said is as
/// `usual`.
pub(super) fn windows(
    click: &'static str,
    table: &mut Table<'_>,
    usual: Windows,
) -> Option<Windows> {
    let clicks = table.or(click, usual.click, window);
    let view = table.or("view_window", usual.view, window);
    let minimum_age = table.or("minimum_age", usual.minimum_age, |c| {
        c.with(units::duration)
    });
    let views = [("exclude", Views::Exclude), ("include", Views::Include)];
    let views = table.or("views", usual.views, |c| c.word(&views));
    let windows = Windows {
        click: clicks?,
        view: view?,
        minimum_age: minimum_age?,
        views: views?,
    };
    if windows.minimum_age >= windows.click {
        return table.complain(format!(
            "no click is old enough for `minimum_age` and young enough for `{click}`"
        ));
    }
    Some(windows)
}

fn window(cursor: Cursor<'_>) -> Option<Duration> {
    cursor.with(|text| {
        let window = units::duration(text)?;
        match window <= Windows::LONGEST {
            true => Ok(window),
            false => Err(format!(
                "a window is at most {}d: older clicks and views are not taken",
                Windows::LONGEST.as_secs() / 86_400
            )),
        }
    })
}

/// An amount, or a share of what the conversion is worth.
pub(super) fn goal_payout(cursor: Cursor<'_>) -> Option<GoalPayout> {
    if cursor.text()?.ends_with('%') {
        return cursor.with(units::percent).map(GoalPayout::Share);
    }
    amount(cursor).map(GoalPayout::Fixed)
}

/// An amount of at least zero.
pub(super) fn amount(cursor: Cursor<'_>) -> Option<Micros> {
    cursor.with(|text| {
        let amount = text.parse::<Micros>().ok();
        amount
            .filter(|amount| *amount >= Micros::ZERO)
            .ok_or_else(|| "expected an amount as text: \"12.50\"".to_owned())
    })
}

/// `"auto"`, `"manual"`, or `"hold 14d"`.
fn approval(cursor: &Cursor<'_>) -> Option<Approval> {
    cursor.with(|text| match text {
        "auto" => Ok(Approval::Auto),
        "manual" => Ok(Approval::Manual),
        _ => {
            let held = text.strip_prefix("hold ").and_then(|t| t.strip_suffix('d'));
            let days = held.and_then(|days| days.parse().ok());
            days.filter(|days| (1..=365).contains(days))
                .map(|days| Approval::Hold { days })
                .ok_or_else(|| {
                    format!("expected `auto`, `manual`, or `hold 14d` with 1 to 365 days, found `{text}`")
                })
        }
    })
}

pub(super) fn postback(table: &mut Table<'_>) -> Option<PostbackIn> {
    let aliases = table.or("aliases", BTreeMap::new(), |c| aliases(&c));
    let statuses = table.or("statuses", BTreeMap::new(), |c| statuses(&c));
    let networks = table.or("networks", Vec::new(), |c| {
        let read: Vec<_> = c.items().iter().map(|c| c.with(network)).collect();
        read.into_iter().collect()
    });
    let secret = table.optional("secret", |c| secret(&c));
    Some(PostbackIn {
        aliases: aliases?,
        statuses: statuses?,
        networks: networks?,
        secret: secret?,
    })
}

/// A key that signs or checks what is sent.
pub(super) fn secret(cursor: &Cursor<'_>) -> Option<Secret<String>> {
    cursor.with(|text| {
        if text.len() < SECRET_BYTES {
            return Err(format!("a secret has at least {SECRET_BYTES} characters"));
        }
        Ok(Secret(text.to_owned()))
    })
}

fn aliases(cursor: &Cursor<'_>) -> Option<BTreeMap<String, &'static str>> {
    let read: Vec<_> = cursor
        .entries()
        .into_iter()
        .map(|(alias, c)| {
            if POSTBACK_PARAMETERS.contains(&alias) || RESERVED.contains(&alias) {
                return c.complain(format!("`{alias}` is a parameter of its own"));
            }
            let name = c.text()?;
            let found = POSTBACK_PARAMETERS.into_iter().find(|own| *own == name);
            if found.is_none() {
                let hint = closest(name, POSTBACK_PARAMETERS)
                    .map(|known| format!(": did you mean `{known}`?"))
                    .unwrap_or_default();
                return c.complain(format!("there is no parameter `{name}`{hint}"));
            }
            Some((alias.to_owned(), found?))
        })
        .collect();
    read.into_iter().collect()
}

fn statuses(cursor: &Cursor<'_>) -> Option<BTreeMap<String, ConversionStatus>> {
    let words = ConversionStatus::ALL.map(|status| (status.as_str(), status));
    let mut seen = BTreeMap::new();
    let mut good = true;
    for (word, c) in cursor.entries() {
        match c.word(&words) {
            Some(status) if seen.insert(word.to_lowercase(), status).is_some() => {
                good = false;
                c.complain::<()>("this word is there in another case: case makes no difference");
            }
            Some(_) => {}
            None => good = false,
        }
    }
    good.then_some(seen)
}

/// An address, or a network in CIDR notation.
fn network(text: &str) -> Result<IpNet, String> {
    let net = text.parse::<IpNet>().ok();
    net.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        .ok_or_else(|| {
            "expected an address or a network like \"192.0.2.7\" or \"192.0.2.0/24\"".to_owned()
        })
}

pub(super) fn origins(cursor: &Cursor<'_>) -> Option<Origins> {
    let read: Vec<_> = cursor.items().iter().map(|c| c.with(origin)).collect();
    read.into_iter().collect()
}

/// Scheme, host and port, as a browser's `Origin` header has them.
fn origin(text: &str) -> Result<String, String> {
    let url = units::web_url(text)?;
    let origin = url.origin().ascii_serialization();
    let bare = Url::parse(&origin).is_ok_and(|bare| bare == url);
    if bare {
        Ok(origin)
    } else {
        Err(format!("an origin has no path: expected \"{origin}\""))
    }
}
