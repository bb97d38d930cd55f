//! The vault.

use std::time::Duration;

use domain::LeadId;
use store::{Backend, Vault, WrappedKey};
use tokio::task::JoinSet;

use super::Harness;

fn lead<H: Harness>(harness: &H) -> LeadId {
    LeadId::mint(harness.now(), harness.entropy())
}

fn key(byte: u8) -> WrappedKey {
    WrappedKey([byte; WrappedKey::LEN])
}

async fn get<H: Harness>(harness: &H, lead: LeadId) -> Option<WrappedKey> {
    harness.store().vault().get(lead).await.unwrap()
}

/// A later key of a lead replaces its earlier one.
pub async fn a_key_is_kept_until_it_is_erased<H: Harness>(harness: &mut H) {
    let (one, two) = (lead(harness), lead(harness));
    let vault = harness.store().vault();
    assert_eq!(get(harness, one).await, None);
    vault.put(one, key(1)).await.unwrap();
    vault.put(two, key(2)).await.unwrap();
    assert_eq!(get(harness, one).await, Some(key(1)));
    vault.put(one, key(3)).await.unwrap();
    assert_eq!(get(harness, one).await, Some(key(3)));
    vault.erase(one).await.unwrap();
    vault.erase(one).await.unwrap();
    assert_eq!(get(harness, one).await, None);
    assert_eq!(get(harness, two).await, Some(key(2)));
}

/// Keys of many leads at once.
pub async fn racing_puts_are_all_kept<H: Harness>(harness: &mut H) {
    let leads: Vec<_> = (0..=200_u8)
        .map(|byte| (lead(harness), key(byte)))
        .collect();
    let mut racing = JoinSet::new();
    for (lead, key) in leads.clone() {
        racing.spawn(harness.store().vault().put(lead, key));
    }
    for put in racing.join_all().await {
        put.unwrap();
    }
    for (lead, key) in leads {
        assert_eq!(get(harness, lead).await, Some(key));
    }
}

/// Keys of several days outlive the process; an erased one never comes back.
pub async fn keys_survive_and_erased_ones_do_not<H: Harness>(harness: &mut H) {
    let mut leads = Vec::new();
    for byte in 1..=12 {
        let lead = lead(harness);
        harness.store().vault().put(lead, key(byte)).await.unwrap();
        leads.push(lead);
        harness.advance(Duration::from_secs(20 * 3600)).await;
    }
    harness
        .store()
        .vault()
        .put(leads[3], key(99))
        .await
        .unwrap();
    harness.store().vault().erase(leads[0]).await.unwrap();
    harness.store().vault().erase(leads[3]).await.unwrap();
    if !harness.reopen().await {
        return;
    }
    for (byte, lead) in (1..).zip(leads.iter().copied()) {
        let expected = (byte != 1 && byte != 4).then(|| key(byte));
        assert_eq!(get(harness, lead).await, expected);
    }
}
