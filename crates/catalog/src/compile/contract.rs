//! Contracts: what the auction has to know of one, and how it is reached. One file per concern.

mod delivery;
mod filter;
mod place;
mod price;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ::filter::Filter;
use auction::{Sources, Terms};
use buyer::NotTaken;
use domain::{BuyerName, CampaignName, ContractName};

use self::delivery::{headers, not_taken, sensitive, urls};
use self::filter::filter;
use self::place::{states, zips};
use self::price::ping_and_price;
use self::schedule::schedule;
use super::consumers::{self, Lists};
use super::schema::Fields;
use super::sources::sources;
use super::{Names, gates, limits, posting, reference};
use crate::reader::Cursor;
use crate::{Buyer, Delivery, Wary, units};

/// What contracts refer to.
pub(super) struct Context<'c, 't> {
    pub(super) known: &'c Names<'t>,
    pub(super) buyers: &'c BTreeMap<BuyerName, Buyer>,
    pub(super) schemas: &'c BTreeMap<String, Fields>,
    pub(super) lists: &'c Lists,
    pub(super) schema_of: BTreeMap<&'t str, &'t str>,
}

/// A contract and the campaign it belongs to.
pub(super) struct Contract {
    pub(super) campaign: CampaignName,
    pub(super) terms: Terms,
    pub(super) delivery: Delivery,
    /// If it does not take every consumer.
    pub(super) wary: Option<Wary>,
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
        let (ping, price) = ping_and_price(table, fields);
        let margin = table.optional("margin", |c| c.with(units::percent));
        let filter = table.or("filter", Filter::default(), |c| filter(&c, fields));
        let sources = table.or("sources", Sources::default(), |c| sources(&c, known));
        let schedule = schedule(table);
        let states = table.optional("states", |c| states(&c, fields));
        let zips = table.optional("zips", |c| zips(&c, fields));
        let max_already_sold = table.or("max_already_sold", 0, |c| c.int(0, 100));
        let caps = limits::caps(table, "caps");
        let publisher_caps = limits::caps(table, "publisher_caps");
        let zone = limits::zone(table);
        let needs_consent = table.or("needs_consent", false, |c| c.flag());
        let window = table.optional("duplicate_window", |c| consumers::window(&c));
        let suppress = consumers::suppress(table, context.lists);
        let (one, thirty) = (Duration::from_secs(1), Duration::from_secs(30));
        let min_post_time = table.or("min_post_time", one, |c| c.with(units::duration));
        let post_timeout = table.or("post_timeout", thirty, |c| c.with(units::duration));
        let posting = posting::posting(table);
        let rates = gates::rates(table);
        let breaker = gates::breaker(table);

        let (ping_url, post_url) = urls(table, ping);
        let headers = table.or("headers", Vec::new(), |c| headers(&c));
        let not_taken = table.or("not_taken", NotTaken::default(), |c| not_taken(&c));
        let sensitive = table.or("sensitive", BTreeSet::new(), |c| sensitive(&c, fields));

        let buyer = buyer?;
        let partner = context.buyers.get(&buyer)?;
        let (window, suppress) = (window?, suppress?);
        let wary = (window.is_some() || !suppress.is_empty()).then(|| Wary {
            contract: name.clone(),
            buyer: buyer.clone(),
            window,
            suppress,
        });
        Some(Contract {
            campaign: campaign?,
            wary,
            terms: posting?.of(Terms {
                on: on? && partner.on,
                testing: testing?,
                tier: u16::try_from(tier?).ok()?,
                priority: i32::try_from(priority?).ok()?,
                ping: ping?,
                price: price?,
                margin: margin?,
                filter: filter?,
                sources: sources?,
                schedule: schedule?,
                states: states?,
                zips: zips?,
                max_already_sold: u8::try_from(max_already_sold?).ok()?,
                needs_consent: needs_consent?,
                caps: caps?,
                publisher_caps: publisher_caps?,
                account: Arc::clone(&partner.account),
                zone: zone?,
                min_post_time: min_post_time?,
                post_timeout: post_timeout?,
                ..Terms::new(name.clone(), buyer)
            }),
            delivery: Delivery {
                ping_url: ping_url?,
                post_url: post_url?,
                headers: headers?,
                not_taken: not_taken?,
                sensitive: sensitive?,
                pool: partner.pool,
                rates: rates?,
                breaker: breaker?,
            },
        })
    })
}
