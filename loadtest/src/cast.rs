//! Who takes part in the chaos run: the partners of `catalog/chaos.toml` and the buyers behind them.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Micros;
use sandbox::{Latency, Market, PingManners, PostManners, Profile};
use traffic::{Link, Mix, Publisher, Vertical, Wanted, World};

/// The catalog of this run.
pub(crate) const CATALOG: &str = include_str!("../catalog/chaos.toml");
/// Its one campaign.
pub(crate) const CAMPAIGN: &str = "chaos";
/// How many buyers and contracts there are.
pub(crate) const BUYERS: u32 = 10;
/// The operator's key.
pub(crate) const OPERATOR_KEY: &str = "chaos-key-of-operator";

/// Contracts with a cap, and the cap: the total over the whole run. Their buyers bid the most, so
/// demand passes every cap.
pub(crate) const CAPS: [(&str, u64); 4] = [
    ("chaos-01", 40),
    ("chaos-02", 60),
    ("chaos-03", 80),
    ("chaos-04", 50),
];

/// The key of a buyer or publisher of the catalog.
pub(crate) fn key_of(partner: &str) -> String {
    format!("chaos-key-of-{partner}")
}

/// How many contracts each campaign has.
pub(crate) fn book_sizes() -> BTreeMap<String, u32> {
    BTreeMap::from([(CAMPAIGN.to_owned(), BUYERS)])
}

/// Publishers and advertiser.
pub(crate) fn world() -> World {
    let publisher = |name: &str| Publisher {
        name: name.to_owned(),
        key: key_of(name),
        links: ["a", "b"]
            .map(|link| Link {
                name: format!("{name}-{link}"),
                campaign: CAMPAIGN.to_owned(),
            })
            .into(),
    };
    World {
        publishers: ["north", "south", "east"].map(publisher).into(),
        goal: "policy_bound".to_owned(),
        tokens: BTreeMap::from([(CAMPAIGN.to_owned(), "chaos-postback-token".to_owned())]),
    }
}

/// 50 leads and 200 clicks a second: every second visitor becomes a lead, each clicks twice.
pub(crate) fn mix() -> Mix {
    Mix {
        leads_per_s: 50.0,
        lead_share: 0.5,
        clicks: (1, 3),
        pause: (Duration::from_millis(20), Duration::from_millis(300)),
        campaigns: vec![Wanted {
            campaign: CAMPAIGN.to_owned(),
            vertical: Vertical::Auto,
            share: 1.0,
        }],
        direct_share: 0.5,
        converts: 0.3,
        tmax: Duration::from_secs(3),
    }
}

/// The buyers: the capped ones bid above all others; all of them reject, stall and break now and then.
pub(crate) fn profiles() -> Vec<Profile> {
    let dollars = |amount: i64| Micros::new(amount * 1_000_000);
    (1..=BUYERS)
        .map(|number| {
            let capped = number <= 4;
            let (min, max) = if capped { (20, 30) } else { (6, 18) };
            Profile {
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
            }
        })
        .collect()
}
