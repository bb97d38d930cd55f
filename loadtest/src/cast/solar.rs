//! The shipped catalog of solar leads: filters, schedules, limits by leads and by money.

use traffic::Vertical;

use super::{Cast, Limit, Most, Whose};

/// The cast of `deploy/catalog/solar-us.toml`.
pub(crate) static SOLAR: Cast = Cast {
    catalog: include_str!("../../../deploy/catalog/solar-us.toml"),
    campaign: "solar-us",
    vertical: Vertical::Solar,
    contracts: 10,
    publishers: &[
        (
            "sunny-media",
            "demo-publisher-sunny-media",
            &["sunny-search", "sunny-social"],
        ),
        (
            "rooftop-leads",
            "demo-publisher-rooftop-leads",
            &["rooftop-email"],
        ),
        (
            "bright-affiliates",
            "demo-publisher-bright-affiliates",
            &["bright-native"],
        ),
    ],
    token: "demo-postback-token-solar-us",
    buyer_key: |number| format!("demo-buyer-{number:02}-key"),
    // Inside the bounds of their contracts, the choosy ones above those that take everything.
    bids: [
        (90, 115),
        (70, 88),
        (60, 78),
        (26, 34),
        (12, 30),
        (16, 34),
        (18, 55),
        (6, 20),
        (6, 7),
        (4, 5),
    ],
    limits: &[
        Limit {
            of: Whose::Contract("buyer-01-premium"),
            most: Most::Leads(60),
        },
        Limit {
            of: Whose::Contract("buyer-02-coast"),
            most: Most::Dollars {
                most: 2_000,
                highest: 90,
            },
        },
        Limit {
            of: Whose::Buyer("buyer-03"),
            most: Most::Dollars {
                most: 3_000,
                highest: 80,
            },
        },
        Limit {
            of: Whose::Contract("buyer-07-rate-card"),
            most: Most::Leads(80),
        },
    ],
};
