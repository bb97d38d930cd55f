//! The catalog made for this run: few rules, and limits that bite at once.

use traffic::Vertical;

use super::{Cast, Limit, Most, Whose};

/// The cast of `catalog/chaos.toml`.
pub(crate) static CHAOS: Cast = Cast {
    catalog: include_str!("../../catalog/chaos.toml"),
    campaign: "chaos",
    vertical: Vertical::Auto,
    contracts: 10,
    publishers: &[
        ("north", "chaos-key-of-north", &["north-a", "north-b"]),
        ("south", "chaos-key-of-south", &["south-a", "south-b"]),
        ("east", "chaos-key-of-east", &["east-a", "east-b"]),
    ],
    token: "chaos-postback-token",
    buyer_key: |number| format!("chaos-key-of-buyer-{number:02}"),
    // The first six are limited and bid above all others.
    bids: [
        (20, 30),
        (20, 30),
        (20, 30),
        (20, 30),
        (16, 24),
        (16, 24),
        (6, 15),
        (6, 15),
        (6, 15),
        (6, 15),
    ],
    limits: &[
        Limit {
            of: Whose::Contract("chaos-01"),
            most: Most::Leads(40),
        },
        Limit {
            of: Whose::Contract("chaos-02"),
            most: Most::Leads(60),
        },
        Limit {
            of: Whose::Contract("chaos-03"),
            most: Most::Leads(80),
        },
        Limit {
            of: Whose::Contract("chaos-04"),
            most: Most::Leads(50),
        },
        Limit {
            of: Whose::Contract("chaos-05"),
            most: Most::Dollars {
                most: 1_000,
                highest: 24,
            },
        },
        Limit {
            of: Whose::Buyer("buyer-06"),
            most: Most::Dollars {
                most: 900,
                highest: 24,
            },
        },
    ],
};
