//! What only a chaos run checks: caps filled to the unit, and that what it is about has occurred.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use sandbox::{Answer, Entry};
use serde::Deserialize;
use traffic::{Check, Held, Warehouse};

use crate::cast::CAPS;
use crate::settle::Settled;

#[derive(Deserialize)]
struct SoldRow {
    contract: String,
    sold: u32,
}

/// How many posts each contract accepted, as ClickHouse holds it.
pub(crate) async fn sold_by_contract(warehouse: &Warehouse) -> Result<BTreeMap<String, u64>> {
    let rows: Vec<SoldRow> = warehouse
        .rows(
            "SELECT contract, toUInt32(count()) AS sold FROM v_posts WHERE state = 'accepted' \
             GROUP BY contract",
        )
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.contract, row.sold.into()))
        .collect())
}

/// Every cap is full, by both books.
pub(crate) fn caps(sold: &BTreeMap<String, u64>, entries: &[Entry]) -> Vec<Check> {
    let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in entries
        .iter()
        .filter(|entry| entry.answer == Answer::Accepted)
    {
        if let Some(key) = &entry.idempotency_key {
            keys.entry(&entry.contract).or_default().insert(key);
        }
    }
    let journalled = |contract: &str| keys.get(contract).map_or(0, BTreeSet::len) as u64;
    let held = |contract: &str| sold.get(contract).copied().unwrap_or(0);
    CAPS.iter()
        .map(|(contract, cap)| {
            let (held, journalled) = (held(contract), journalled(contract));
            Check::that(
                &format!("cap of {contract} is filled to the unit and never passed"),
                held == *cap && journalled == *cap,
                format!("{held} held and {journalled} journalled of {cap}"),
            )
        })
        .collect()
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

    #[test]
    fn a_cap_that_is_short_or_passed_fails() {
        let full: BTreeMap<String, u64> = CAPS
            .iter()
            .map(|(contract, cap)| ((*contract).to_owned(), *cap))
            .collect();
        let entries: Vec<Entry> = CAPS
            .iter()
            .flat_map(|(contract, cap)| (0..*cap).map(move |n| accepted(contract, n)))
            .collect();
        let holds = |sold: &BTreeMap<String, u64>, entries: &[Entry]| {
            caps(sold, entries).iter().all(|check| check.ok)
        };
        assert!(holds(&full, &entries));
        for change in [-1_i64, 1] {
            let mut sold = full.clone();
            let first = sold.get_mut(CAPS[0].0).unwrap();
            *first = first.checked_add_signed(change).unwrap();
            assert!(!holds(&sold, &entries), "{change}");
        }
        let mut passed = entries.clone();
        passed.push(accepted(CAPS[0].0, 10_000));
        assert!(!holds(&full, &passed));
        // The same post twice is one sale.
        let mut repeated = entries.clone();
        repeated.push(entries[0].clone());
        assert!(holds(&full, &repeated));
    }

    fn accepted(contract: &str, n: u64) -> Entry {
        Entry {
            received_us: 0,
            service_us: None,
            buyer: "b".into(),
            kind: sandbox::Kind::Post,
            campaign: "chaos".into(),
            contract: contract.into(),
            test: false,
            ping_id: "bp".into(),
            tmax_ms: 1,
            lead_id: Some("ld".into()),
            idempotency_key: Some(format!("bk_{contract}_{n}")),
            marker: "m".into(),
            answer: Answer::Accepted,
            delivery: sandbox::Delivery::Answered,
            price: None,
            repeat: false,
        }
    }
}
