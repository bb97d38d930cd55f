//! Journeys.

use std::collections::BTreeMap;

use domain::{ClickId, TrackKey, VisitorId};
use proto::{Conversion, JourneyBody, JourneyEntry, TouchEntry};
use store::{
    Ack, Backend, EventLog, Identity, Journey, JourneyUpdate, Journeys, News, Person, Place,
    StoreError, Topic, key,
};

use super::Harness;
use crate::SeededEntropy;

/// Visitors with clicks, and conversions that name only the click.
struct World {
    began_us: i64,
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
    World {
        began_us: now.as_micros(),
        visitor,
        updates,
    }
}

fn touch(visitor: VisitorId, click: ClickId, id: u8, ts_us: i64) -> JourneyUpdate {
    JourneyUpdate {
        identity: Identity::Visitor(visitor),
        ts_us,
        news: News::Event(JourneyEntry {
            id: vec![id; 16],
            ts_us,
            click_id: click.as_bytes().to_vec(),
            body: Some(JourneyBody::Touch(TouchEntry {
                publisher: format!("pub-{id}"),
                ..TouchEntry::default()
            })),
            ..JourneyEntry::default()
        }),
    }
}

fn conversion(identity: Identity, click: ClickId, id: u8, ts_us: i64) -> JourneyUpdate {
    JourneyUpdate {
        identity,
        ts_us,
        news: News::Event(JourneyEntry {
            id: vec![id; 16],
            ts_us,
            click_id: click.as_bytes().to_vec(),
            body: Some(JourneyBody::Conversion(Conversion {
                goal: "sale".to_owned(),
                ..Conversion::default()
            })),
            ..JourneyEntry::default()
        }),
    }
}

fn shuffle<T>(items: &mut [T], entropy: &SeededEntropy) {
    for at in (1..items.len()).rev() {
        items.swap(at, entropy.below(at as u64 + 1) as usize);
    }
}

async fn apply<H: Harness>(harness: &H, updates: &[JourneyUpdate], through: u64) -> Vec<Journey> {
    let journeys = harness.store().journeys();
    let applied = journeys.apply(updates.to_vec(), (0, through), 0).await;
    applied.unwrap().journeys
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
        // The rounds differ in their clicks, and in when they began.
        let mut entries = journey.entries.to_vec();
        for entry in &mut entries {
            entry.click_id.clear();
            entry.ts_us -= world.began_us;
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
                // Of one without conversions nothing is shown.
                let shown = !journey.entries.is_empty() && !before.entries.is_empty();
                let same = journey.entries == before.entries;
                assert!(!shown || same == (journey.revision == before.revision));
            }
            known.insert(journey.identity, journey);
        }
    }
    // Of two versions of an event one is kept, whichever came first.
    let mut other = world.updates[0].clone();
    let News::Event(entry) = &mut other.news else {
        unreachable!("a touch");
    };
    entry.ts_us -= 1;
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

/// Applies updates and passes on what identities tell each other, until nobody has anything to say.
/// Gives each journey as it was last.
async fn passed_on<H: Harness>(
    harness: &H,
    updates: Vec<JourneyUpdate>,
) -> BTreeMap<Identity, Journey> {
    let mut last = BTreeMap::new();
    let mut next = updates;
    while !next.is_empty() {
        let journeys = harness.store().journeys();
        let applied = journeys.apply(next, (0, 0), 0).await.unwrap();
        last.extend(
            applied
                .journeys
                .into_iter()
                .map(|journey| (journey.identity, journey)),
        );
        next = applied
            .tellings
            .into_iter()
            .map(|telling| JourneyUpdate {
                identity: telling.to,
                ts_us: telling.ts_us,
                news: News::Told(telling.from, telling.what),
            })
            .collect();
    }
    last
}

/// A visitor with a click who is this person, and the visitor's conversion.
fn known_as<H: Harness>(harness: &H, id: u8, person: Person) -> (Identity, Vec<JourneyUpdate>) {
    let (entropy, key, now) = (harness.entropy(), TrackKey::new([3; 32]), harness.now());
    let visitor = VisitorId::mint(now, entropy, &key);
    let click = ClickId::mint(now, entropy, &visitor, &key);
    let (identity, ts_us) = (Identity::Visitor(visitor), now.as_micros() + i64::from(id));
    let is = JourneyUpdate {
        identity,
        ts_us,
        news: News::Person(person),
    };
    let updates = vec![
        touch(visitor, click, id, ts_us),
        conversion(identity, click, 100 + id, ts_us + 500),
        is,
    ];
    (identity, updates)
}

fn touches(journey: &Journey) -> usize {
    let touch = |entry: &&JourneyEntry| matches!(entry.body, Some(JourneyBody::Touch(_)));
    journey.entries.iter().filter(touch).count()
}

/// Visitors who are one person see each other's touches, until they are too many to be one: then
/// none sees another's, whoever came first. Telling everything again changes nothing.
pub async fn a_person_joins_its_visitors_until_they_are_too_many<H: Harness>(harness: &mut H) {
    let most = 64;
    let person = [7; 16];
    let mut all = Vec::new();
    let mut known = BTreeMap::new();
    let mut joined = 0;
    for id in 0..most {
        let (identity, updates) = known_as(harness, id, person);
        all.extend(updates.clone());
        known.extend(passed_on(harness, updates).await);
        let seen = touches(&known[&identity]);
        if seen == 1 && id > 0 {
            break;
        }
        joined += 1;
        assert_eq!(seen, joined, "all before are seen");
    }
    assert!(joined > 1 && joined < usize::from(most), "{joined}");
    let visitors = known
        .keys()
        .filter(|who| matches!(who, Identity::Visitor(_)));
    for visitor in visitors {
        assert_eq!(touches(&known[visitor]), 1, "too many link none");
    }
    for (who, again) in passed_on(harness, all).await {
        assert_eq!(Some(&again), known.get(&who));
    }
}

/// An order without a click follows the visitor it names, and counts for the first click that
/// reports it once there is one.
pub async fn an_order_finds_its_visitor_and_then_its_click<H: Harness>(harness: &mut H) {
    let (identity, updates) = known_as(harness, 1, [8; 16]);
    let Identity::Visitor(visitor) = identity else {
        unreachable!("a visitor");
    };
    let order = Identity::Key(key::order("c", "sale", "o1"));
    let report = |identity, id: u8, click_id: Vec<u8>| JourneyUpdate {
        identity,
        ts_us: 50,
        news: News::Event(JourneyEntry {
            id: vec![id; 16],
            ts_us: 50,
            visitor: visitor.as_bytes().to_vec(),
            click_id,
            body: Some(JourneyBody::Conversion(Conversion {
                campaign: "c".to_owned(),
                goal: "sale".to_owned(),
                txid: "o1".to_owned(),
                ..Conversion::default()
            })),
            ..JourneyEntry::default()
        }),
    };
    let News::Event(touch) = updates[0].news.clone() else {
        unreachable!("a touch");
    };
    passed_on(harness, updates).await;
    let known = passed_on(harness, vec![report(order, 60, vec![])]).await;
    assert_eq!(
        (touches(&known[&order]), known[&order].counted_by),
        (1, None)
    );

    let clicked = vec![report(identity, 61, touch.click_id.clone())];
    let known = passed_on(harness, clicked).await;
    let click = ClickId::from_bytes(touch.click_id.as_slice().try_into().unwrap());
    assert_eq!(known[&order].counted_by, Some(click));
    let lent = known[&identity]
        .entries
        .iter()
        .find(|entry| entry.id == [60; 16]);
    assert_eq!(lent.map(|entry| &entry.click_id), Some(&touch.click_id));
}

/// Rows of a partition are made by ever newer rules: whoever is still on older ones is told so, and nothing is
/// applied. Another partition is another matter.
pub async fn older_rules_make_no_rows_after_newer_ones<H: Harness>(harness: &mut H) {
    let world = world(harness);
    let (touch, conversion) = (&world.updates[0], &world.updates[1]);
    let judged = async |update: &JourneyUpdate, partition, rules| {
        let journeys = harness.store().journeys();
        let update = vec![update.clone()];
        let applied = journeys.apply(update, (partition, 1), rules).await;
        applied.map(|applied| applied.journeys)
    };
    let before = judged(touch, 0, 5).await.unwrap();
    assert_eq!(judged(conversion, 0, 4).await, Err(StoreError::Outdated(5)));
    assert_eq!(judged(touch, 0, 5).await.as_ref(), Ok(&before));
    let [before] = before.as_slice() else {
        panic!("one journey");
    };
    let after = judged(conversion, 0, 6).await.unwrap();
    assert_eq!(after[0].revision, before.revision + 1);
    assert_eq!(judged(touch, 0, 5).await, Err(StoreError::Outdated(6)));
    let journeys = harness.store().journeys();
    let outdated = || StoreError::Outdated(6);
    assert_eq!(journeys.anew(0, 5, 10).await, Err(outdated()));
    assert_eq!(journeys.walked(0, 5, Place::End).await, Err(outdated()));
    assert!(judged(touch, 1, 1).await.is_ok());
}

/// One turn of a walk; none once it is over.
async fn turn<H: Harness>(harness: &H, rules: u32, most: usize) -> Option<(Vec<Journey>, Place)> {
    let anew = harness.store().journeys().anew(0, rules, most).await;
    anew.unwrap().map(|anew| (anew.journeys, anew.next))
}

/// All that is left of a walk, and it is noted.
async fn walk<H: Harness>(harness: &H, rules: u32, most: usize) -> BTreeMap<Identity, Journey> {
    let mut met = BTreeMap::new();
    while let Some((journeys, next)) = turn(harness, rules, most).await {
        met.extend(journeys.into_iter().map(|it| (it.identity, it)));
        let walked = harness.store().journeys().walked(0, rules, next);
        walked.await.unwrap();
    }
    met
}

/// When newer rules come every journey with a conversion is met, also one that nothing happens to, a few at a time,
/// once the walk has been noted up to there no more, and those that have not converted never.
pub async fn newer_rules_walk_over_all_that_has_converted<H: Harness>(harness: &mut H) {
    let (key, now) = (TrackKey::new([3; 32]), harness.now());
    let partitions = harness.store().log().ends(Topic::Events).len() as u64;
    let mut updates = Vec::new();
    let mut converted = Vec::new();
    for id in 0..9_u8 {
        let visitor = loop {
            let visitor = VisitorId::mint(now, harness.entropy(), &key);
            if key::identity(&Identity::Visitor(visitor)).is_multiple_of(partitions) {
                break visitor;
            }
        };
        let click = ClickId::mint(now, harness.entropy(), &visitor, &key);
        let ts_us = now.as_micros() + i64::from(id);
        if id % 3 != 0 {
            // Every other one comes before its click, and is its visitor's after that.
            let known = match id % 2 {
                0 => Identity::Visitor(visitor),
                _ => Identity::Click(click),
            };
            updates.push(conversion(known, click, 100 + id, ts_us + 50));
            converted.push(Identity::Visitor(visitor));
        }
        updates.push(touch(visitor, click, id, ts_us));
    }
    converted.sort();
    let judged = async |harness: &H, rules: u32| {
        let journeys = harness.store().journeys();
        let applied = journeys.apply(updates.clone(), (0, 18), rules).await;
        let journeys = applied.unwrap().journeys.into_iter();
        let journeys = journeys.filter(|it| converted.contains(&it.identity));
        let known: BTreeMap<_, _> = journeys.map(|it| (it.identity, it)).collect();
        known
    };
    let known = judged(harness, 1).await;
    assert!(known.keys().eq(&converted));
    assert_eq!(turn(harness, 1, 2).await, None, "nothing newer has come");

    // What is not noted comes again, and then what is next.
    let (first, next) = turn(harness, 2, 2).await.unwrap();
    assert_eq!(
        turn(harness, 2, 2).await,
        Some((first.clone(), next.clone()))
    );
    let noted = harness.store().journeys().walked(0, 2, next);
    noted.await.unwrap();
    if harness.reopen().await {
        judged(harness, 2).await;
    }
    let rest = walk(harness, 2, 3).await;
    assert!(first.iter().all(|it| !rest.contains_key(&it.identity)));
    let mut all: Vec<_> = first.iter().map(|it| it.identity).collect();
    all.extend(rest.keys());
    all.sort();
    assert_eq!(all, converted);

    // Newer ones begin where older ones were not at their end.
    let (_, next) = turn(harness, 3, 2).await.unwrap();
    let noted = harness.store().journeys().walked(0, 3, next);
    noted.await.unwrap();
    let last = walk(harness, 4, 100).await;
    assert!(last.keys().eq(&converted));
    let same = |it: &Journey| known[&it.identity].entries == it.entries;
    assert!(last.values().all(same));
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
    consumer.commit(&[(Topic::Events, 0, 3)]).await.unwrap();
    apply(harness, &world.updates[3..], end).await;
    consumer.commit(&[(Topic::Events, 0, end)]).await.unwrap();
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
