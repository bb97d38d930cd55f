//! What only a chaos run checks: limits reached and never passed, and that what it is about has occurred.

use std::collections::BTreeMap;

use domain::Micros;
use sandbox::{Answer, Entry};
use traffic::{Check, Held};

use crate::cast::{Limit, Most, Whose};
use crate::settle::Settled;

/// What was sold under a limit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sold {
    leads: u64,
    money: Micros,
}

impl Sold {
    fn add(mut self, price: Micros) -> Self {
        self.leads += 1;
        self.money = self.money.plus(price).unwrap_or(Micros::new(i64::MAX));
        self
    }
}

impl Limit {
    fn name(&self) -> &'static str {
        match self.of {
            Whose::Contract(name) | Whose::Buyer(name) => name,
        }
    }

    fn counts(&self, contract: &str, buyer: &str) -> bool {
        match self.of {
            Whose::Contract(name) => name == contract,
            Whose::Buyer(name) => name == buyer,
        }
    }

    /// What ClickHouse holds as sold under it.
    fn held(&self, held: &Held) -> Sold {
        let mine = held
            .posts
            .iter()
            .filter(|post| post.state == "accepted" && self.counts(&post.contract, &post.buyer));
        mine.fold(Sold::default(), |sold, post| sold.add(post.price))
    }

    /// What buyers journalled as bought under it; the same post twice is one.
    fn journalled(&self, entries: &[Entry]) -> Sold {
        let mut bought = BTreeMap::new();
        for entry in entries.iter().filter(|entry| {
            entry.answer == Answer::Accepted && self.counts(&entry.contract, &entry.buyer)
        }) {
            if let (Some(key), Some(price)) = (&entry.idempotency_key, &entry.price) {
                bought.insert(key, price.parse().unwrap_or(Micros::new(i64::MAX)));
            }
        }
        bought
            .values()
            .fold(Sold::default(), |sold, price| sold.add(*price))
    }

    /// Nothing more fits.
    fn is_reached(&self, sold: Sold) -> bool {
        match self.most {
            Most::Leads(most) => sold.leads >= most,
            Most::Dollars { most, highest } => sold.money > dollars(most - highest),
        }
    }

    fn is_kept(&self, sold: Sold) -> bool {
        match self.most {
            Most::Leads(most) => sold.leads <= most,
            Most::Dollars { most, .. } => sold.money <= dollars(most),
        }
    }
}

fn dollars(amount: i64) -> Micros {
    Micros::new(amount.saturating_mul(1_000_000))
}

/// Whether every limit is reached, as ClickHouse holds it.
pub(crate) fn are_full(limits: &[Limit], held: &Held) -> bool {
    limits
        .iter()
        .all(|limit| limit.is_reached(limit.held(held)))
}

/// Every limit is reached and kept, and both books agree on what was sold under it.
pub(crate) fn limits(limits: &[Limit], held: &Held, entries: &[Entry]) -> Vec<Check> {
    let judge = |limit: &Limit| {
        let (held, journalled) = (limit.held(held), limit.journalled(entries));
        let what = match limit.most {
            Most::Leads(most) => format!("{most} leads"),
            Most::Dollars { most, .. } => format!("{most} dollars"),
        };
        Check::that(
            &format!("{} sells {what}, all of it and no more", limit.name()),
            limit.is_reached(held) && limit.is_kept(held) && held == journalled,
            format!(
                "{} leads for {} held, {} for {} journalled",
                held.leads, held.money, journalled.leads, journalled.money
            ),
        )
    };
    limits.iter().map(judge).collect()
}

/// The run was about something: it had a lead in doubt, an interrupted one, and settlements.
pub(crate) fn occurred(held: &Held, settled: Settled) -> Vec<Check> {
    let interrupted = held
        .leads
        .iter()
        .filter(|lead| lead.reason == "interrupted")
        .count();
    let doubted = held
        .posts
        .iter()
        .filter(|post| !post.settled_by.is_empty())
        .count();
    vec![
        Check::that(
            "a lead was interrupted",
            interrupted > 0,
            format!("{interrupted} leads"),
        ),
        Check::that(
            "a post was in doubt",
            doubted > 0,
            format!("{doubted} posts, {settled:?}"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use traffic::HeldPost;

    const LIMITS: [Limit; 2] = [
        Limit {
            of: Whose::Contract("c"),
            most: Most::Leads(3),
        },
        Limit {
            of: Whose::Buyer("b"),
            most: Most::Dollars {
                most: 32,
                highest: 10,
            },
        },
    ];

    fn holds(held: &[&str], entries: &[Entry]) -> bool {
        let posts = held.iter().map(|price| HeldPost {
            sale_id: String::new(),
            lead_id: String::new(),
            leg: 1,
            contract: "c".into(),
            buyer: "b".into(),
            state: "accepted".into(),
            settled_by: String::new(),
            price: price.parse().unwrap(),
            payout: Micros::ZERO,
            margin: Micros::ZERO,
        });
        let held = Held {
            posts: posts.collect(),
            ..Held::default()
        };
        limits(&LIMITS, &held, entries).iter().all(|check| check.ok)
    }

    #[test]
    fn a_limit_that_is_short_or_passed_fails() {
        let good = ["10.00", "10.00", "9.50"];
        let entries: Vec<Entry> = (0..).zip(good).map(|(n, price)| bought(n, price)).collect();
        assert!(holds(&good, &entries));
        assert!(!holds(&good[1..], &entries[1..]), "one is missing");
        assert!(!holds(&good, &entries[1..]), "one was never bought");
        let mut more = entries.clone();
        more.push(bought(9, "1.00"));
        assert!(
            !holds(&["10.00", "10.00", "9.50", "1.00"], &more),
            "four are too many"
        );
        let dear = [bought(0, "13.00"), bought(1, "10.00"), bought(2, "10.00")];
        assert!(
            !holds(&["13.00", "10.00", "10.00"], &dear),
            "a dollar too much"
        );
        // The same post twice is one sale.
        let mut repeated = entries.clone();
        repeated.push(entries[0].clone());
        assert!(holds(&good, &repeated));
    }

    fn bought(n: u64, price: &str) -> Entry {
        Entry {
            received_us: 0,
            service_us: None,
            buyer: "b".into(),
            kind: sandbox::Kind::Post,
            campaign: "chaos".into(),
            contract: "c".into(),
            test: false,
            ping_id: "bp".into(),
            tmax_ms: 1,
            lead_id: Some("ld".into()),
            idempotency_key: Some(format!("bk_{n}")),
            marker: "m".into(),
            answer: Answer::Accepted,
            delivery: sandbox::Delivery::Answered,
            price: Some(price.into()),
            repeat: false,
        }
    }
}
