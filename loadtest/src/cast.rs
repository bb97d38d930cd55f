//! Who takes part in the chaos run: the partners of a catalog, the buyers behind them, and the limits
//! that their demand passes.

mod chaos;
mod solar;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Micros;
use sandbox::{Latency, Market, PingManners, PostManners, Profile};
use traffic::{Link, Mix, Publisher, Vertical, Wanted, World};

pub(crate) use chaos::CHAOS;
pub(crate) use solar::SOLAR;

/// The operator's key.
pub(crate) const OPERATOR_KEY: &str = "chaos-key-of-operator";

/// Who takes part.
#[derive(Debug)]
pub(crate) struct Cast {
    /// The text of the catalog.
    pub(crate) catalog: &'static str,
    /// Its one campaign.
    pub(crate) campaign: &'static str,
    /// What its consumers ask for.
    pub(crate) vertical: Vertical,
    /// How many contracts it has.
    pub(crate) contracts: u32,
    /// Publishers by name, with their keys and links.
    pub(crate) publishers: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// The advertiser's token.
    pub(crate) token: &'static str,
    /// The key of buyer number n.
    pub(crate) buyer_key: fn(u32) -> String,
    /// The lowest and the highest bid of each buyer, in dollars.
    pub(crate) bids: [(i64, i64); 10],
    /// Limits that are reached in every run.
    pub(crate) limits: &'static [Limit],
}

/// A limit of a catalog for the whole run. Who has it pays so much that demand passes it.
#[derive(Debug)]
pub(crate) struct Limit {
    /// Whose sales it counts.
    pub(crate) of: Whose,
    /// How many, or how much.
    pub(crate) most: Most,
}

/// Whose sales a limit counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    /// A contract's.
    Contract(&'static str),
    /// All of a buyer's.
    Buyer(&'static str),
}

/// How much a limit allows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Most {
    /// So many leads: it is filled to the unit.
    Leads(u64),
    /// So many dollars: no price that is ever paid fits into what is left.
    Dollars {
        /// The limit.
        most: i64,
        /// The highest price.
        highest: i64,
    },
}

impl Cast {
    /// The key of a buyer by its name, `buyer-07`.
    pub(crate) fn key_of_buyer(&self, name: &str) -> String {
        let number = name
            .rsplit('-')
            .next()
            .and_then(|digits| digits.parse().ok());
        (self.buyer_key)(number.unwrap_or(0))
    }

    /// How many contracts each campaign has.
    pub(crate) fn book_sizes(&self) -> BTreeMap<String, u32> {
        BTreeMap::from([(self.campaign.to_owned(), self.contracts)])
    }

    /// Publishers and advertiser.
    pub(crate) fn world(&self) -> World {
        let link = |name: &&str| Link {
            name: (*name).to_owned(),
            campaign: self.campaign.to_owned(),
        };
        let publishers = self.publishers.iter().map(|(name, key, links)| Publisher {
            name: (*name).to_owned(),
            key: (*key).to_owned(),
            links: links.iter().map(link).collect(),
        });
        World {
            publishers: publishers.collect(),
            goal: "policy_bound".to_owned(),
            tokens: BTreeMap::from([(self.campaign.to_owned(), self.token.to_owned())]),
        }
    }

    /// 50 leads and 200 clicks a second: every second visitor becomes a lead, each clicks twice.
    pub(crate) fn mix(&self) -> Mix {
        Mix {
            leads_per_s: 50.0,
            lead_share: 0.5,
            clicks: (1, 3),
            pause: (Duration::from_millis(20), Duration::from_millis(300)),
            campaigns: vec![Wanted {
                campaign: self.campaign.to_owned(),
                vertical: self.vertical,
                share: 1.0,
            }],
            direct_share: 0.5,
            mistakes: 0.02,
            converts: 0.3,
            tmax: Duration::from_secs(3),
        }
    }

    /// The buyers: all of them reject, stall and break now and then.
    pub(crate) fn profiles(&self) -> Vec<Profile> {
        let dollars = |amount: i64| Micros::new(amount * 1_000_000);
        let buyers = (1..).zip(self.bids);
        buyers
            .map(|(number, (min, max))| Profile {
                name: format!("buyer-{number:02}"),
                bid: Market {
                    min: dollars(min),
                    max: dollars(max),
                    share: 0.9,
                },
                latency: Latency {
                    min: Duration::from_millis(2),
                    typical: Duration::from_millis(20),
                    tail: Duration::from_millis(80),
                    tail_share: 0.05,
                },
                ping: PingManners {
                    stall: 0.002,
                    broken: 0.01,
                },
                post: PostManners {
                    reject: 0.08,
                    duplicate: 0.01,
                    pending: 0.0,
                    stall: 0.004,
                    broken: 0.004,
                },
            })
            .collect()
    }
}
