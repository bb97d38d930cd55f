//! Journeys.

use std::collections::BTreeMap;

use domain::{ClickId, TrackKey, VisitorId};
use proto::{Conversion, JourneyBody, JourneyEntry, TouchEntry};
use store::{Ack, Backend, EventLog, Identity, Journey, JourneyUpdate, Journeys, Topic};

use super::Harness;
use crate::SeededEntropy;

/// Visitors with clicks, and conversions that name only the click.
struct World {
    visitor: VisitorId,
    updates: Vec<JourneyUpdate>,
}

fn world<H: Harness>(harness: &H) -> World {
    let (entropy, key, now) = (harness.entropy(), TrackKey::new([3; 32]), harness.now());
    let visitor = VisitorId::mint(now, entropy, &key);
    let mut updates = Vec::new();
    for n in 0..4_u8 {
        let click = ClickId::mint(now, entropy, &visitor, &key);
        let ts_us = now.as_micros() + i64::from(n % 3) * 1000;
        updates.push(touch(visitor, click, n, ts_us));
        updates.push(conversion(
            Identity::Click(click),
            click,
            100 + n,
            ts_us + 500,
        ));
    }
    World { visitor, updates }
}

fn touch(visitor: VisitorId, click: ClickId, id: u8, ts_us: i64) -> JourneyUpdate {
    JourneyUpdate {
        identity: Identity::Visitor(visitor),
        entry: JourneyEntry {
            id: vec![id; 16],
            ts_us,
            click_id: click.as_bytes().to_vec(),
            body: Some(JourneyBody::Touch(TouchEntry {
                publisher: format!("pub-{id}"),
                ..TouchEntry::default()
            })),
            ..JourneyEntry::default()
        },
    }
}

fn conversion(identity: Identity, click: ClickId, id: u8, ts_us: i64) -> JourneyUpdate {
    JourneyUpdate {
        identity,
        entry: JourneyEntry {
            id: vec![id; 16],
            ts_us,
            click_id: click.as_bytes().to_vec(),
            body: Some(JourneyBody::Conversion(Conversion {
                goal: "sale".to_owned(),
                ..Conversion::default()
            })),
            ..JourneyEntry::default()
        },
    }
}

fn shuffle<T>(items: &mut [T], entropy: &SeededEntropy) {
    for at in (1..items.len()).rev() {
        items.swap(at, entropy.below(at as u64 + 1) as usize);
    }
}

async fn apply<H: Harness>(harness: &H, updates: &[JourneyUpdate], through: u64) -> Vec<Journey> {
    let journeys = harness.store().journeys();
    let applied = journeys.apply(updates.to_vec(), (0, through)).await;
    applied.unwrap()
}

/// The visitor's journey as it is now: an update that changes nothing returns it.
async fn journey<H: Harness>(harness: &H, world: &World) -> Journey {
    let again = apply(harness, &world.updates[..1], 0).await;
    again.into_iter().next().unwrap()
}

/// Events of one visitor, in any order and however often, end in one sequence.
pub async fn any_order_ends_in_the_same_journey<H: Harness>(harness: &mut H) {
    let mut expected: Option<Vec<JourneyEntry>> = None;
    for round in 0..12 {
        let world = world(harness);
        let mut updates = world.updates.clone();
        updates.extend(world.updates.iter().take(round % 5).cloned());
        shuffle(&mut updates, harness.entropy());
        for update in &updates {
            apply(harness, std::slice::from_ref(update), 0).await;
        }
        let journey = journey(harness, &world).await;
        assert_eq!(journey.identity, Identity::Visitor(world.visitor));
        let order = |entry: &JourneyEntry| (entry.ts_us, entry.id.clone());
        assert!(journey.entries.is_sorted_by_key(order));
        // The rounds differ in their clicks only.
        let mut entries = journey.entries.to_vec();
        for entry in &mut entries {
            entry.click_id.clear();
            entry.ts_us -= harness.now().as_micros();
        }
        match &expected {
            None => expected = Some(entries),
            Some(expected) => assert_eq!(&entries, expected, "round {round}"),
        }
    }
}

/// A revision rises exactly when the journey changes.
pub async fn equal_revisions_are_equal_journeys<H: Harness>(harness: &mut H) {
    let world = world(harness);
    let mut updates: Vec<_> = world
        .updates
        .iter()
        .chain(&world.updates)
        .cloned()
        .collect();
    shuffle(&mut updates, harness.entropy());
    let mut known: BTreeMap<Identity, Journey> = BTreeMap::new();
    for update in updates {
        for journey in apply(harness, &[update], 0).await {
            assert!(journey.revision > 0);
            if let Some(before) = known.get(&journey.identity) {
                assert!(journey.revision >= before.revision);
                assert_eq!(
                    journey.revision == before.revision,
                    journey.entries == before.entries
                );
            }
            known.insert(journey.identity, journey);
        }
    }
    // Of two versions of an event one is kept, whichever came first.
    let mut other = world.updates[0].clone();
    other.entry.ts_us -= 1;
    apply(harness, &[other.clone()], 0).await;
    let one = journey(harness, &world).await;
    apply(harness, &[world.updates[0].clone(), other], 0).await;
    assert_eq!(journey(harness, &world).await, one);
}

/// The same updates in the same order give the same revisions, however they are cut.
pub async fn batching_does_not_matter<H: Harness>(harness: &mut H) {
    let mut revisions = Vec::new();
    for cut in [1, 2, 3, 8] {
        let world = world(harness);
        // Conversions first, so that journeys are absorbed.
        let mut updates = world.updates.clone();
        updates.sort_by_key(|update| matches!(update.identity, Identity::Visitor(_)));
        let mut last = Vec::new();
        for batch in updates.chunks(cut) {
            last = apply(harness, batch, 0).await;
            let mut seen: Vec<_> = last.iter().map(|journey| journey.identity).collect();
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), last.len(), "each journey comes once");
        }
        assert_eq!(last.len(), 1);
        assert_eq!(last[0].entries.len(), updates.len());
        revisions.push(last[0].revision);
    }
    revisions.dedup();
    assert_eq!(revisions.len(), 1, "{revisions:?}");
}

/// Nobody's until the click comes, and then the visitor's, with a revision above both.
pub async fn a_conversion_waits_for_its_click<H: Harness>(harness: &mut H) {
    let world = world(harness);
    let (touch, conversion) = (&world.updates[0], &world.updates[1]);
    let waiting = apply(harness, std::slice::from_ref(conversion), 0).await;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].identity, conversion.identity);
    let found = apply(harness, std::slice::from_ref(touch), 0).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].identity, touch.identity);
    assert_eq!(found[0].entries.len(), 2);
    assert!(found[0].revision > waiting[0].revision);
    let again = apply(harness, std::slice::from_ref(conversion), 0).await;
    assert_eq!(
        again, found,
        "a click's journey is its visitor's from now on"
    );
}

/// What a restart does not find it gets again from the log, and ends where it was.
pub async fn journeys_survive<H: Harness>(harness: &mut H) {
    use store::{Consumer, Delivery};
    const GROUP: &str = "journeys";
    let world = world(harness);
    for _ in &world.updates {
        let log = harness.store().log();
        let appended = log.append(
            Topic::Events,
            0,
            bytes::Bytes::from_static(b"e"),
            Ack::Durable,
        );
        appended.await.unwrap();
    }
    let end = world.updates.len() as u64;
    let topics = [Topic::Events];
    let mut consumer = harness
        .store()
        .log()
        .subscribe(GROUP, &topics)
        .await
        .unwrap();
    apply(harness, &world.updates[..3], 3).await;
    consumer.commit(Topic::Events, 0, 3).await.unwrap();
    apply(harness, &world.updates[3..], end).await;
    consumer.commit(Topic::Events, 0, end).await.unwrap();
    let before = journey(harness, &world).await;
    drop(consumer);
    if !harness.reopen().await {
        return;
    }
    let mut consumer = harness
        .store()
        .log()
        .subscribe(GROUP, &topics)
        .await
        .unwrap();
    let mut from = end;
    while let Some(delivery) = consumer
        .next(std::time::Duration::from_millis(20))
        .await
        .unwrap()
    {
        if let Delivery::Assigned {
            partition: 0,
            next_offset,
            ..
        } = delivery
        {
            from = next_offset;
        }
    }
    apply(harness, &world.updates[from as usize..], end).await;
    assert_eq!(journey(harness, &world).await, before);
}
