//! Who plays: the partners that the shipped catalog knows, and how its traffic is mixed.

use std::collections::BTreeMap;
use std::time::Duration;

use traffic::{Link, Mix, Publisher, Vertical, Wanted, World};

/// The shipped catalog.
const CATALOG: &str = include_str!("../../../../../deploy/catalog/auto-us.toml");

/// The campaign whose ten contracts exclude no lead: overhead is measured on it.
pub(super) const MEASURED: &str = "auto-us";
/// The campaign with filters and caps.
const TARGETED: &str = "auto-us-targeted";

/// The operator's key.
pub(super) const OPERATOR_KEY: &str = "demo-key-of-operator";

/// The publisher that takes postbacks, and the key of their signatures.
pub(super) const TOLD: &str = "alpha-media";
pub(super) const SECRET: &str = "demo-secret-of-alpha-media";

/// The shipped catalog, with a postback to this URL.
pub(super) fn catalog(url: &str) -> String {
    format!("{CATALOG}\n[publishers.{TOLD}.postback]\nurl = \"{url}\"\nsecret = \"{SECRET}\"\n")
}

/// How many contracts each campaign has.
pub(super) fn book_sizes() -> BTreeMap<String, u32> {
    BTreeMap::from([(MEASURED.to_owned(), 10), (TARGETED.to_owned(), 11)])
}

/// Publishers and advertisers of the catalog, and the links that are not paused.
pub(super) fn world() -> World {
    let link = |name: &str, campaign: &str| Link {
        name: name.to_owned(),
        campaign: campaign.to_owned(),
    };
    let publisher = |name: &str, links: Vec<Link>| Publisher {
        name: name.to_owned(),
        key: format!("demo-publisher-{name}"),
        links,
    };
    World {
        publishers: vec![
            publisher(
                TOLD,
                vec![
                    link("alpha-search", MEASURED),
                    link("alpha-social", MEASURED),
                    link("alpha-specialists", TARGETED),
                ],
            ),
            publisher(
                "bluebird-leads",
                vec![
                    link("bluebird-email", MEASURED),
                    link("bluebird-display", MEASURED),
                ],
            ),
            publisher(
                "cresta-affiliates",
                vec![
                    link("cresta-native", MEASURED),
                    link("cresta-specialists", TARGETED),
                ],
            ),
            publisher("house-forms", vec![link("house-form", MEASURED)]),
        ],
        goal: "policy_bound".to_owned(),
        tokens: BTreeMap::from([
            (
                MEASURED.to_owned(),
                "demo-postback-token-auto-us".to_owned(),
            ),
            (
                TARGETED.to_owned(),
                "demo-postback-token-targeted".to_owned(),
            ),
        ]),
    }
}

/// Half of the visitors become leads; three quarters of the leads go where overhead is measured.
pub(super) fn mix(leads_per_s: f64) -> Mix {
    Mix {
        leads_per_s,
        lead_share: 0.5,
        clicks: (1, 4),
        pause: (Duration::from_millis(50), Duration::from_millis(800)),
        campaigns: vec![wanted(MEASURED, 0.75), wanted(TARGETED, 1.0)],
        direct_share: 0.3,
        mistakes: 0.02,
        converts: 0.25,
        tmax: Duration::from_secs(3),
    }
}

fn wanted(campaign: &str, share: f64) -> Wanted {
    Wanted {
        campaign: campaign.to_owned(),
        vertical: Vertical::Auto,
        share,
    }
}
