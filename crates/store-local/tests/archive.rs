//! A lead that ended some minutes ago is on disk alone, and nobody can tell.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod work;
mod world;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{Clock, LeadId, Reservation, Usage};
use store::{Admission, AdmitRequest, Backend, Caps, Claims, Lookup};
use store_local::Local;
use testkit::records;
use tokio::task::JoinSet;
use work::work;
use world::{HOUR, World};

const MINUTE: Duration = Duration::from_secs(60);

/// What the store says when publishers, routers and workers come back to lead 1.
async fn told(world: &World, store: &Local, lead: LeadId, one: &Reservation) -> Vec<String> {
    let (claims, caps) = (store.claims(), store.caps());
    let mut told = Vec::new();
    for digest in [[1; 32], [2; 32]] {
        told.push(match claims.lookup(&world.key(1), &digest).await.unwrap() {
            Lookup::Lead(view) => format!("{}: {:?}", view.lead, view.answer),
            other => format!("{other:?}"),
        });
    }
    let again = || world.request(1);
    let other = |n, request: AdmitRequest| AdmitRequest {
        key: world.key(n),
        ..request
    };
    for request in [
        again(),
        AdmitRequest {
            digest: [2; 32],
            ..again()
        },
        // Its quote under another key, with a consumer of its own.
        AdmitRequest {
            consumer: World::consumer(2),
            ..other(2, again())
        },
        // Its consumer, with a quote of its own.
        AdmitRequest {
            quote: Some(World::quote(3)),
            ..other(3, again())
        },
    ] {
        let fresh = request.lead;
        told.push(match claims.admit(request).await.unwrap() {
            Admission::Held(view) => format!("held by {}: {:?}", view.lead, view.answer),
            Admission::Duplicate(new) if new == fresh => "duplicate".to_owned(),
            other => format!("{other:?}"),
        });
        claims.withdraw(fresh).await.unwrap();
    }
    told.push(format!("{:?}", claims.by_key(&world.key(1)).await));
    told.push(format!("{:?}", claims.by_quote(World::quote(1)).await));
    let consumer = World::consumer(1);
    let earlier = claims.earlier(&consumer.campaign, &consumer.hashes).await;
    told.push(format!("{:?}", earlier.unwrap()));
    told.push(format!("{:?}", claims.lead(lead).await.unwrap()));
    told.push(format!("{:?}", claims.posting(lead).await));
    // A router that was slow moves no cap.
    let now = world.clock.wall();
    told.push(format!("{:?}", caps.hold(one, now, now.plus(HOUR)).await));
    told.push(format!("{:?}", caps.pin(one.id, now).await));
    caps.settle(one, Usage::Nothing).await.unwrap();
    caps.settle(one, Usage::Sold).await.unwrap();
    told.push(format!("{:?}", world.used(store).await));
    told
}

/// The snapshots of leads, oldest first.
fn snapshots(world: &World) -> Vec<PathBuf> {
    let dir = world.dir.path().join("snapshots").join("leads");
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn nobody_can_tell_a_lead_of_the_archive_from_one_in_memory() {
    let world = World::new();
    let mut store = world.open();
    let (lead, one) = world.sell(&store, 1).await;
    let (another, _) = world.sell(&store, 9).await;
    work(&store).await;
    store.snapshot().await.unwrap();
    let before = told(&world, &store, lead, &one).await;
    assert!(before.iter().any(|said| said == "duplicate"), "{before:?}");
    assert!(before.iter().any(|said| said == "QuoteUsed"), "{before:?}");

    world.clock.advance(6 * MINUTE);
    // So that there is something to snapshot: the lead is not in it.
    let late = records::settled(1, false, 7);
    world.write(&store, another, late).await;
    work(&store).await;
    store.snapshot().await.unwrap();
    assert_eq!(told(&world, &store, lead, &one).await, before);
    for how in [
        "closed",
        "killed",
        "before the snapshot",
        "with no snapshot",
    ] {
        if how == "closed" {
            store.close().await;
        }
        drop(store);
        let gone = match how {
            // The rows are written; the lead is still in the snapshot that recovery starts from.
            "before the snapshot" => 1,
            // All that the rows are made of is ahead of what it starts from.
            "with no snapshot" => 2,
            _ => 0,
        };
        for newest in snapshots(&world).iter().rev().take(gone) {
            fs::remove_file(newest).unwrap();
        }
        store = world.open();
        assert_eq!(told(&world, &store, lead, &one).await, before, "{how}");
        store.snapshot().await.unwrap();
        assert_eq!(told(&world, &store, lead, &one).await, before, "{how}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn nobody_slips_through_while_leads_go_from_memory() {
    const LEADS: u32 = 200;
    let world = Arc::new(World::new());
    let store = world.open();
    for n in 0..LEADS {
        world.sell(&store, n).await;
    }
    work(&store).await;
    world.clock.advance(6 * MINUTE);
    let gone = Arc::new(AtomicBool::new(false));
    let mut publishers = JoinSet::new();
    for part in 0..2 {
        let (world, store, gone) = (Arc::clone(&world), store.clone(), Arc::clone(&gone));
        publishers.spawn(async move {
            // Once more after the last has gone.
            let mut last = false;
            while !last {
                last = gone.load(Ordering::Acquire);
                for n in (part..LEADS).step_by(2) {
                    let again = world.request(n);
                    let admission = store.claims().admit(again.clone()).await.unwrap();
                    assert!(matches!(admission, Admission::Held(_)), "{admission:?}");
                    let other = AdmitRequest {
                        key: world.key(LEADS + n),
                        consumer: World::consumer(LEADS + n),
                        ..again
                    };
                    let admission = store.claims().admit(other.clone()).await.unwrap();
                    assert!(matches!(admission, Admission::QuoteUsed), "{admission:?}");
                    let other = AdmitRequest {
                        quote: None,
                        consumer: World::consumer(n),
                        ..other
                    };
                    let lead = other.lead;
                    let admission = store.claims().admit(other).await.unwrap();
                    let duplicate = matches!(admission, Admission::Duplicate(_));
                    assert!(duplicate, "{admission:?}");
                    store.claims().withdraw(lead).await.unwrap();
                }
            }
        });
    }
    store.snapshot().await.unwrap();
    gone.store(true, Ordering::Release);
    publishers.join_all().await;
}

#[tokio::test]
async fn a_record_that_comes_late_brings_a_lead_back_from_the_archive() {
    let world = World::new();
    let mut store = world.open();
    let (lead, _) = world.sell(&store, 1).await;
    work(&store).await;
    for round in 1..4 {
        world.clock.advance(6 * MINUTE);
        store.snapshot().await.unwrap();
        let before = store.claims().lead(lead).await.unwrap().unwrap();
        let before = before.state.unwrap();
        world
            .write(&store, lead, records::settled(1, false, round))
            .await;
        work(&store).await;
        for reopened in [false, true] {
            if reopened {
                store.close().await;
                drop(store);
                store = world.open();
            }
            let after = store.claims().lead(lead).await.unwrap().unwrap();
            let after = after.state.unwrap();
            assert!(after.applied > before.applied);
            assert_eq!(
                (&after.received, &after.legs),
                (&before.received, &before.legs)
            );
            assert_eq!(world.used(&store).await, [1, 1]);
        }
    }
}

#[tokio::test]
async fn a_consumer_is_remembered_for_its_window_and_a_lead_for_a_day() {
    let world = World::new();
    let store = world.open();
    let (lead, _) = world.sell(&store, 1).await;
    work(&store).await;
    let admit = async || {
        let fresh = AdmitRequest {
            key: world.key(2),
            quote: None,
            ..world.request(1)
        };
        let admission = store.claims().admit(fresh.clone()).await.unwrap();
        store.claims().withdraw(fresh.lead).await.unwrap();
        admission
    };
    world.clock.advance(6 * MINUTE);
    store.snapshot().await.unwrap();
    assert!(store.claims().lead(lead).await.unwrap().is_some());
    world.clock.advance(HOUR * 24);
    world.traffic(&store).await;
    assert!(store.claims().lead(lead).await.unwrap().is_none());
    assert_eq!(store.claims().by_key(&world.key(1)).await, Ok(None));
    assert_eq!(store.claims().by_quote(World::quote(1)).await, Ok(None));
    assert!(matches!(admit().await, Admission::Duplicate(_)));
    world.clock.advance(HOUR * 240);
    world.traffic(&store).await;
    assert!(matches!(admit().await, Admission::Granted(_)));
}
