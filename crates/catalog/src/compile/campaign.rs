//! Campaigns: rules, goals, the publishers allowed, and the book of their contracts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use auction::{Book, Caps, PublisherLimits, Rules, Sources, Terms};
use domain::{CampaignName, ContractName, Currency, Payout, PublisherName, Zone};

use intake::{ConsentRule, Form, Kind, Unknown};

use super::consumers::{self, Lists};
use super::contract::Contract;
use super::limits;
use super::schema::Fields;
use super::sources::sources;
use super::{Names, Section, by_name, reference, rules, tracking};
use crate::key::{KeyDigest, Owner, add_keys};
use crate::reader::{Cursor, Table};
use crate::{
    Campaign, Consumers, Disclosure, Origins, Payee, PublisherTerms, Tmax, Windows, units,
};

/// Which schema each campaign names, known before campaigns are compiled.
pub(super) fn schemas_of<'t>(campaigns: &Section<'t>) -> BTreeMap<&'t str, &'t str> {
    campaigns
        .iter()
        .filter_map(|(name, cursor)| Some((*name, cursor.peek_text("schema")?)))
        .collect()
}

/// What campaigns are made of beside their own entry.
pub(super) struct Context<'c, 't> {
    pub(super) known: &'c Names<'t>,
    pub(super) schemas: &'c BTreeMap<String, Fields>,
    pub(super) lists: &'c Lists,
    pub(super) contracts: &'c BTreeMap<ContractName, Contract>,
}

pub(super) fn campaign(
    name: &CampaignName,
    cursor: &Cursor<'_>,
    context: &Context<'_, '_>,
    keys: &mut HashMap<KeyDigest, Owner>,
) -> Option<Campaign> {
    cursor.read_table(|table| {
        let on = table.or("on", true, |c| c.flag());
        let schema: Option<String> = table
            .need("schema")
            .and_then(|c| reference(&c, &context.known.schemas, "schema"));
        let disclosures = Disclosure::ALL.map(|level| (level.as_str(), level));
        let disclosure = table.or("disclosure", Disclosure::Code, |c| c.word(&disclosures));
        let unknown_fields = [
            ("ignore", Unknown::Ignore),
            ("keep", Unknown::Keep),
            ("refuse", Unknown::Refuse),
        ];
        let unknown = table.or("unknown_fields", Unknown::Ignore, |c| {
            c.word(&unknown_fields)
        });
        let consents = [("none", ConsentRule::None), ("tcpa", ConsentRule::Tcpa)];
        let consent = table.or("consent", ConsentRule::None, |c| c.word(&consents));
        let sources = table.or("sources", Sources::default(), |c| {
            sources(&c, context.known)
        });
        let fields = schema.as_ref().and_then(|it| context.schemas.get(it));
        let duplicates = consumers::duplicates(table, fields);
        let suppress = consumers::suppress(table, context.lists);
        let tmax = tmax(table);
        let windows = tracking::windows("click_window", table, Windows::default());
        let fallback_url = table.optional("fallback_url", |c| c.with(units::web_url));
        let goals = table.get("goals").map_or_else(Vec::new, |c| c.entries());
        let goals = by_name(goals, |name, c| {
            c.read_table(|table| tracking::goal(name, table, windows.unwrap_or_default()))
        });
        if let Some(tokens) = table.get("postback_tokens") {
            add_keys(keys, &tokens, &Owner::Advertiser(name.clone()));
        }
        let postback = table.section("postback", tracking::postback);
        let origins = table.or("origins", Origins::new(), |c| tracking::origins(&c));
        let rules = rules::rules(table);
        let zone = limits::zone(table);
        let publishers = table
            .get("publishers")
            .map_or_else(Vec::new, |c| c.entries());
        let publishers = by_name(publishers, |publisher: &PublisherName, c| {
            if !context.known.publishers.contains(publisher.as_str()) {
                return c.complain(format!("there is no publisher `{publisher}`"));
            }
            c.read_table(|table| publisher_terms(table, name, &zone, rules.clone()))
        });

        let contracts = context.contracts.values();
        let contracts = contracts.filter(|contract| contract.campaign == *name);
        if let Some(rules) = &rules {
            for contract in contracts.clone() {
                one_currency(table, &contract.terms, rules.currency);
            }
        }
        let (terms, deliveries) = contracts
            .map(|contract| (contract.terms.clone(), contract.delivery.clone()))
            .unzip();
        let contracts = context.contracts.values();
        let wary = contracts.filter(|contract| contract.campaign == *name);
        let schema = context.schemas.get(&schema?)?.schema.as_ref()?;
        let contact = schema
            .fields()
            .iter()
            .filter(|field| matches!(field.kind, Kind::Phone(_) | Kind::Email));
        let contact = contact.map(|field| field.name.clone());
        Some(Campaign {
            consumers: Consumers {
                duplicates: duplicates?,
                suppress: suppress?,
                contracts: wary.filter_map(|contract| contract.wary.clone()).collect(),
                contact: contact.collect(),
            },
            name: name.clone(),
            on: on?,
            form: Form {
                schema: Arc::clone(schema),
                unknown: unknown?,
                consent: consent?,
            },
            sources: sources?,
            book: Arc::new(Book::new(terms)),
            deliveries,
            currency: rules?.currency,
            tmax: tmax?,
            disclosure: disclosure?,
            goals,
            windows: windows?,
            fallback_url: fallback_url?,
            postback: postback?,
            origins: origins?,
            publishers,
        })
    })
}

/// A buyer's money is counted over all of its contracts: they have to be in one currency.
fn one_currency(table: &Table<'_>, terms: &Terms, currency: Currency) {
    let account = &terms.account;
    if limits::counts_money(account) && account.currency != currency {
        let (contract, buyer) = (&terms.contract, &terms.buyer);
        table.complain::<()>(format!(
            "contract `{contract}` is in {currency}, and money of buyer `{buyer}` is counted in {}",
            account.currency
        ));
    }
}

/// `tmax` where the publisher names none, `tmax_ceiling` for those that do.
fn tmax(table: &mut Table<'_>) -> Option<Tmax> {
    let (ten, thirty) = (Duration::from_secs(10), Duration::from_secs(30));
    let default = table.or("tmax", ten, |c| c.with(units::duration));
    let ceiling = table.or("tmax_ceiling", thirty, |c| c.with(units::duration));
    let (default, ceiling) = (default?, ceiling?);
    if default > ceiling {
        return table.complain("`tmax` is longer than `tmax_ceiling`");
    }
    Some(Tmax { default, ceiling })
}

/// `margin = "20%"`: what the service keeps; or `payout = "10.00"`: what the publisher gets.
fn publisher_terms(
    table: &mut Table<'_>,
    campaign: &CampaignName,
    zone: &Option<Zone>,
    rules: Option<Rules>,
) -> Option<PublisherTerms> {
    let payees = [
        ("poster", Payee::Poster),
        ("click_owner", Payee::ClickOwner),
    ];
    let payee = table.or("payee", Payee::Poster, |c| c.word(&payees));
    let margin = table.optional("margin", |c| c.with(units::percent));
    let fixed = table.optional("payout", tracking::amount);
    let caps = limits::caps(table, "caps");
    let payout = match (margin?, fixed?) {
        (Some(margin), None) => Payout::Margin(margin),
        (None, Some(fixed)) => Payout::Fixed(fixed),
        _ => return table.complain("expected either `margin` or `payout`"),
    };
    let caps = Caps {
        zone: zone.clone()?,
        caps: caps?,
    };
    let limits = (!caps.caps.is_empty()).then(|| {
        Arc::new(PublisherLimits {
            campaign: campaign.clone(),
            caps,
        })
    });
    Some(PublisherTerms {
        rules: Rules {
            payout,
            limits,
            ..rules?
        },
        payee: payee?,
    })
}
