//! Who calls the service: the partners of `catalog/load.toml`, mixed as in the demo.

use std::collections::BTreeMap;
use std::time::Duration;

use traffic::{Link, Mix, Publisher, Vertical, Wanted, World};

const CAMPAIGN: &str = "load";

/// Publishers and advertiser.
pub(super) fn world() -> World {
    let publisher = |name: &str| Publisher {
        name: name.to_owned(),
        key: format!("load-key-of-{name}"),
        links: ["a", "b"]
            .map(|link| Link {
                name: format!("{name}-{link}"),
                campaign: CAMPAIGN.to_owned(),
            })
            .into(),
    };
    World {
        publishers: ["north", "south"].map(publisher).into(),
        goal: "policy_bound".to_owned(),
        tokens: BTreeMap::from([(CAMPAIGN.to_owned(), "load-postback-token".to_owned())]),
    }
}

/// Half of the visitors become leads, a quarter of the sold ones convert.
pub(super) fn mix(leads_per_s: f64) -> Mix {
    Mix {
        leads_per_s,
        lead_share: 0.5,
        clicks: (1, 4),
        pause: (Duration::from_millis(50), Duration::from_millis(800)),
        campaigns: vec![Wanted {
            campaign: CAMPAIGN.to_owned(),
            vertical: Vertical::Auto,
            share: 1.0,
        }],
        direct_share: 0.3,
        mistakes: 0.0,
        converts: 0.25,
        tmax: Duration::from_secs(3),
    }
}
