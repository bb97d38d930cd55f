//! A catalog's tree -> the parts of a snapshot. Names are collected first, so that a reference to
//! something broken is not reported as a reference to nothing.

mod campaign;
mod consumers;
mod contract;
mod gates;
mod limits;
mod link;
mod outbound;
mod partner;
mod posting;
mod rules;
mod schema;
mod sources;
mod tracking;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use domain::{BuyerName, CampaignName, LinkName, OfferName, PublisherName};
use sha2::{Digest, Sha256};

use crate::key::{KeyDigest, Owner};
use crate::reader::{Cursor, Sink, Table};
use crate::suggest::closest;
use crate::tree::{Node, Value};
use crate::{Buyer, Campaign, Link, Offer, Publisher, Snapshot};

/// What a catalog holds, once all of it is good.
pub(crate) struct Parts {
    campaigns: BTreeMap<CampaignName, Arc<Campaign>>,
    publishers: BTreeMap<PublisherName, Arc<Publisher>>,
    buyers: BTreeMap<BuyerName, Arc<Buyer>>,
    offers: BTreeMap<OfferName, Arc<Offer>>,
    links: BTreeMap<LinkName, Arc<Link>>,
    keys: HashMap<KeyDigest, Owner>,
}

impl Parts {
    pub(crate) fn into_snapshot(self, generation: String, canonical: Vec<u8>) -> Snapshot {
        let hash = |name: &BuyerName| (Sha256::digest(name.as_str()).into(), name.clone());
        Snapshot {
            buyer_hashes: self.buyers.keys().map(hash).collect(),
            generation,
            canonical,
            campaigns: self.campaigns,
            publishers: self.publishers,
            buyers: self.buyers,
            offers: self.offers,
            links: self.links,
            keys: self.keys,
        }
    }
}

/// The names of everything that is referred to.
struct Names<'t> {
    schemas: BTreeSet<&'t str>,
    publishers: BTreeSet<&'t str>,
    buyers: BTreeSet<&'t str>,
    campaigns: BTreeSet<&'t str>,
    offers: BTreeSet<&'t str>,
}

/// A section of the catalog: entries by name.
type Section<'t> = Vec<(&'t str, Cursor<'t>)>;

fn section<'t>(table: &mut Table<'t>, name: &'static str) -> Section<'t> {
    table.get(name).map_or_else(Vec::new, |c| c.entries())
}

fn names<'t>(section: &Section<'t>) -> BTreeSet<&'t str> {
    section.iter().map(|(name, _)| *name).collect()
}

/// Compiles a catalog. None only after a complaint.
pub(crate) fn catalog(root: &Node, admin_keys: &[KeyDigest], sink: &Sink) -> Option<Parts> {
    Cursor::root(root, sink).read_table(|table| {
        let schemas = section(table, "schemas");
        let suppression = section(table, "suppression");
        let publishers = section(table, "publishers");
        let buyers = section(table, "buyers");
        let campaigns = section(table, "campaigns");
        let contracts = section(table, "contracts");
        let offers = section(table, "offers");
        let links = section(table, "links");
        let known = Names {
            schemas: names(&schemas),
            publishers: names(&publishers),
            buyers: names(&buyers),
            campaigns: names(&campaigns),
            offers: names(&offers),
        };

        let mut keys: HashMap<_, _> = admin_keys
            .iter()
            .map(|digest| (*digest, Owner::Admin))
            .collect();
        let schemas = by_name(schemas, |_: &String, c| schema::schema(c));
        let lists = by_name(suppression, |_: &String, c| consumers::suppression(c));
        let publishers = by_name(publishers, |name, c| partner::publisher(name, c, &mut keys));
        let buyers = by_name(buyers, |name, c| partner::buyer(name, c, &mut keys));
        let context = contract::Context {
            known: &known,
            buyers: &buyers,
            schemas: &schemas,
            lists: &lists,
            schema_of: campaign::schemas_of(&campaigns),
        };
        let contracts = by_name(contracts, |name, c| contract::contract(name, c, &context));
        let context = campaign::Context {
            known: &known,
            schemas: &schemas,
            lists: &lists,
            contracts: &contracts,
        };
        let campaigns = by_name(campaigns, |name, c| {
            campaign::campaign(name, c, &context, &mut keys)
        });
        let offers = by_name(offers, |name, c| link::offer(name, c, &known));
        let links = by_name(links, |name, c| {
            link::link(name, c, &known, &offers, &campaigns)
        });
        Some(Parts {
            campaigns: shared(campaigns),
            publishers: shared(publishers),
            buyers: shared(buyers),
            offers: shared(offers),
            links: shared(links),
            keys,
        })
    })
}

/// Reads each entry of a section; a broken one is left out after its complaints.
fn by_name<'t, N: FromStr + Ord, T>(
    section: Section<'t>,
    mut read: impl FnMut(&N, &Cursor<'t>) -> Option<T>,
) -> BTreeMap<N, T>
where
    N::Err: std::fmt::Display,
{
    let entries = section.into_iter().filter_map(|(text, cursor)| {
        let name = match text.parse::<N>() {
            Ok(name) => name,
            Err(error) => return cursor.complain(error.to_string()),
        };
        let value = read(&name, &cursor)?;
        Some((name, value))
    });
    entries.collect()
}

fn shared<N: Ord, T>(parts: BTreeMap<N, T>) -> BTreeMap<N, Arc<T>> {
    parts
        .into_iter()
        .map(|(name, part)| (name, Arc::new(part)))
        .collect()
}

/// A reference to something of the catalog.
fn reference<N: FromStr>(
    cursor: &Cursor<'_>,
    known: &BTreeSet<&str>,
    noun: &'static str,
) -> Option<N> {
    let name = cursor.text()?;
    if !known.contains(name) {
        let hint = closest(name, known.iter().copied())
            .map(|known| format!(": did you mean `{known}`?"))
            .unwrap_or_default();
        return cursor.complain(format!("there is no {noun} `{name}`{hint}"));
    }
    // A name that is there but breaks the rule for names is a problem of its own.
    name.parse().ok()
}

/// Puts digests in the place of keys in clear, so that no canonical form holds one. Keys that
/// cannot be read stay, to be complained of.
pub(crate) fn hide_keys(root: &mut Node) {
    let lists = [
        ("publishers", "keys"),
        ("buyers", "keys"),
        ("campaigns", "postback_tokens"),
    ];
    let Value::Table(sections) = &mut root.value else {
        return;
    };
    for (section, list) in lists {
        let Some(Value::Table(entries)) = sections.get_mut(section).map(|node| &mut node.value)
        else {
            continue;
        };
        for entry in entries.values_mut() {
            let Value::Table(members) = &mut entry.value else {
                continue;
            };
            let Some(Value::List(keys)) = members.get_mut(list).map(|node| &mut node.value) else {
                continue;
            };
            for key in keys {
                if let Value::Text(text) = &mut key.value
                    && let Ok(digest) = KeyDigest::read(text)
                {
                    *text = digest.to_string();
                }
            }
        }
    }
}
