//! Contracts: what the auction has to know of one, and how it is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use auction::{Cap, PingMode, Price, Sources, Terms};
use buyer::NotTaken;
use domain::{
    BuyerName, CampaignName, CapWindow, ContractName, FieldClass, FieldName, Micros, PublisherName,
    Zone,
};
use filter::Filter;
use url::Url;

use super::schema::Fields;
use super::{Names, reference};
use crate::reader::{Cursor, Table};
use crate::{Buyer, Delivery, units};

/// What contracts refer to.
pub(super) struct Context<'c, 't> {
    pub(super) known: &'c Names<'t>,
    pub(super) buyers: &'c BTreeMap<BuyerName, Buyer>,
    pub(super) schemas: &'c BTreeMap<String, Fields>,
    pub(super) schema_of: BTreeMap<&'t str, &'t str>,
}

/// A contract and the campaign it belongs to.
pub(super) struct Contract {
    pub(super) campaign: CampaignName,
    pub(super) terms: Terms,
    pub(super) delivery: Delivery,
}

pub(super) fn contract(
    name: &ContractName,
    cursor: &Cursor<'_>,
    context: &Context<'_, '_>,
) -> Option<Contract> {
    cursor.read_table(|table| {
        let known = context.known;
        let campaign: Option<CampaignName> = table
            .need("campaign")
            .and_then(|c| reference(&c, &known.campaigns, "campaign"));
        let buyer: Option<BuyerName> = table
            .need("buyer")
            .and_then(|c| reference(&c, &known.buyers, "buyer"));
        // None too if there is no such schema: then only the grammar of the filter is checked.
        let fields = campaign
            .as_ref()
            .and_then(|campaign| context.schema_of.get(campaign.as_str()))
            .and_then(|schema| context.schemas.get(*schema));

        let on = table.or("on", true, |c| c.flag());
        let testing = table.or("testing", false, |c| c.flag());
        let tier = table.or("tier", 0, |c| c.int(0, 100));
        let priority = table.or("priority", 0, |c| c.int(-1_000, 1_000));
        let (ping, price) = ping_and_price(table);
        let margin = table.optional("margin", |c| c.with(units::percent));
        let filter = table.or("filter", Filter::default(), |c| filter(&c, fields));
        let sources = table.or("sources", Sources::All, |c| sources(&c, known));
        let caps = table.section("caps", caps);
        let zone = table.or("zone", Zone::utc(), |c| {
            c.with(|text| Zone::parse(text).map_err(|error| error.to_string()))
        });
        let (one, thirty) = (Duration::from_secs(1), Duration::from_secs(30));
        let min_post_time = table.or("min_post_time", one, |c| c.with(units::duration));
        let post_timeout = table.or("post_timeout", thirty, |c| c.with(units::duration));

        let (ping_url, post_url) = urls(table, ping);
        let headers = table.or("headers", Vec::new(), |c| headers(&c));
        let not_taken = table.or("not_taken", NotTaken::default(), |c| not_taken(&c));
        let sensitive = table.or("sensitive", BTreeSet::new(), |c| sensitive(&c, fields));

        let buyer = buyer?;
        let partner = context.buyers.get(&buyer)?;
        Some(Contract {
            campaign: campaign?,
            terms: Terms {
                contract: name.clone(),
                buyer,
                on: on? && partner.on,
                testing: testing?,
                tier: u16::try_from(tier?).ok()?,
                priority: i32::try_from(priority?).ok()?,
                ping: ping?,
                price: price?,
                margin: margin?,
                filter: filter?,
                sources: sources?,
                caps: caps?,
                zone: zone?,
                min_post_time: min_post_time?,
                post_timeout: post_timeout?,
            },
            delivery: Delivery {
                ping_url: ping_url?,
                post_url: post_url?,
                headers: headers?,
                not_taken: not_taken?,
                sensitive: sensitive?,
                pool: partner.pool,
            },
        })
    })
}

/// A bid needs bounds and a ping, a fixed price has neither.
fn ping_and_price(table: &mut Table<'_>) -> (Option<PingMode>, Option<Price>) {
    let modes = [("none", PingMode::None), ("bid", PingMode::Bid)];
    let ping = table.need("ping").and_then(|c| c.word(&modes));
    let money = |c: Cursor<'_>| {
        c.with(|text| {
            let amount = text.parse::<Micros>().ok();
            amount
                .filter(|amount| *amount > Micros::ZERO)
                .ok_or_else(|| "expected an amount above zero, as text: \"12.50\"".to_owned())
        })
    };
    let Some(cursor) = table.need("price") else {
        return (ping, None);
    };
    let price = cursor.read_table(|table| {
        let fixed = table.optional("fixed", money);
        let min = table.optional("min", money);
        let max = table.optional("max", money);
        match (ping?, fixed?, min?, max?) {
            (PingMode::None, Some(fixed), None, None) => Some(Price::Fixed(fixed)),
            (PingMode::None, ..) => {
                table.complain("a contract without pings has a price of the form { fixed = .. }")
            }
            (PingMode::Bid, None, Some(min), Some(max)) if min <= max => {
                Some(Price::Bid { min, max })
            }
            (PingMode::Bid, None, Some(_), Some(_)) => {
                table.complain("`min` is greater than `max`")
            }
            (PingMode::Bid, ..) => table
                .complain("a contract that bids has a price of the form { min = .., max = .. }"),
        }
    });
    (ping, price)
}

fn filter(cursor: &Cursor<'_>, fields: Option<&Fields>) -> Option<Filter> {
    let text = cursor.text()?;
    let compiled = match fields {
        Some(fields) => filter::compile(text, &fields.types),
        None => filter::parse(text).map(|_| Filter::default()),
    };
    match compiled {
        Ok(filter) => Some(filter),
        Err(issues) => {
            for issue in issues {
                let from = text.get(issue.at..).unwrap_or_default();
                let near: String = from.chars().take(20).collect();
                let place = if near.is_empty() {
                    "at its end".to_owned()
                } else {
                    format!("at `{near}`")
                };
                cursor.complain::<()>(format!("{place}: {}", issue.message));
            }
            None
        }
    }
}

/// `{ only = [..] }` or `{ except = [..] }`.
fn sources(cursor: &Cursor<'_>, known: &Names<'_>) -> Option<Sources> {
    let list = |c: Cursor<'_>| -> Option<BTreeSet<PublisherName>> {
        let read: Vec<_> = c
            .items()
            .iter()
            .map(|c| reference(c, &known.publishers, "publisher"))
            .collect();
        read.into_iter().collect()
    };
    cursor.read_table(|table| {
        let only = table.optional("only", list);
        let except = table.optional("except", list);
        match (only?, except?) {
            (Some(only), None) => Some(Sources::Only(only)),
            (None, Some(except)) => Some(Sources::Except(except)),
            _ => table.complain("expected either `only` or `except`"),
        }
    })
}

fn caps(table: &mut Table<'_>) -> Option<Vec<Cap>> {
    let mut cap = |name, window| {
        let leads = table.optional(name, |c| c.int(1, i64::MAX))?;
        Some(leads.map(|leads| Cap { window, leads }))
    };
    let day = cap("day", CapWindow::Day);
    let total = cap("total", CapWindow::Total);
    Some(day?.into_iter().chain(total?).collect())
}

fn urls(table: &mut Table<'_>, ping: Option<PingMode>) -> (Option<Option<Url>>, Option<Url>) {
    let url = |c: Cursor<'_>| c.with(units::web_url);
    let ping_url = match ping {
        Some(PingMode::Bid) => table.need("ping_url").and_then(url).map(Some),
        Some(PingMode::None) => table.optional("ping_url", |c| {
            c.complain("a contract without pings has no ping URL")
        }),
        None => table.optional("ping_url", url),
    };
    (ping_url, table.need("post_url").and_then(url))
}

/// Headers that a contract may not set: they belong to the connection and to the message.
const RESERVED: [&str; 8] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
];

fn headers(cursor: &Cursor<'_>) -> Option<Vec<(String, String)>> {
    let read: Vec<_> = cursor
        .entries()
        .into_iter()
        .map(|(name, c)| {
            let value = c.text()?;
            let name = match http::HeaderName::try_from(name) {
                Ok(name) if RESERVED.contains(&name.as_str()) => {
                    return c.complain("this header is set by the service");
                }
                Ok(name) => name,
                Err(_) => return c.complain("is no name of a header"),
            };
            match http::HeaderValue::try_from(value) {
                Ok(_) => Some((name.to_string(), value.to_owned())),
                Err(_) => c.complain("is no value of a header"),
            }
        })
        .collect();
    read.into_iter().collect()
}

fn not_taken(cursor: &Cursor<'_>) -> Option<NotTaken> {
    let read: Vec<_> = cursor.items().iter().map(|c| c.int(300, 599)).collect();
    let statuses: Option<BTreeSet<u16>> = read
        .into_iter()
        .map(|status| status.and_then(|status| u16::try_from(status).ok()))
        .collect();
    statuses.map(NotTaken)
}

/// Sensitive fields that pings carry: they have to be fields of a ping.
fn sensitive(cursor: &Cursor<'_>, fields: Option<&Fields>) -> Option<BTreeSet<FieldName>> {
    let read: Vec<_> = cursor
        .items()
        .iter()
        .map(|c| {
            let name = c.text()?;
            let Some(fields) = fields else {
                return name.parse().ok();
            };
            if !fields.types.contains_key(name) {
                return c.complain(format!("the campaign has no field `{name}`"));
            }
            match fields.schema.as_ref()?.field(name)? {
                field if field.class == FieldClass::Sensitive => Some(field.name.clone()),
                _ => c.complain(format!("`{name}` is not of class `sensitive`")),
            }
        })
        .collect();
    read.into_iter().collect()
}
