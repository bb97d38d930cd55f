//! What is kept and what is forgotten: a day after a lead's end, two days after a cap's window, and
//! of the log what nobody needs.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod work;
mod world;

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, LeadId, Reservation, ReservationId, TrackKey, Usage, VisitorId};
use proto::JourneyEntry;
use store::{
    Ack, Backend, Caps, Claims, Consumer, Delivery, EventLog, Identity, JourneyUpdate, Journeys,
    LogError, Lookup, News, Topic,
};
use store_local::{Local, LocalOptions, OpenError};
use testkit::{FakeClock, records};
use work::work;
use world::{HOUR, World};

async fn knows(store: &Local, world: &World, n: u32, lead: LeadId) -> bool {
    let found = store
        .claims()
        .lookup(&world.key(n), &[1; 32])
        .await
        .unwrap();
    let by_key = matches!(found, Lookup::Lead(_));
    assert_eq!(by_key, store.claims().lead(lead).await.unwrap().is_some());
    by_key
}

#[tokio::test]
async fn a_lead_is_forgotten_a_day_after_its_end_and_its_units_are_not() {
    let world = World::new();
    let mut store = world.open();
    let (lead, one) = world.sell(&store, 1).await;
    work(&store).await;
    world.clock.advance(HOUR * 23);
    world.traffic(&store).await;
    assert!(knows(&store, &world, 1, lead).await);
    world.clock.advance(HOUR * 2);
    world.traffic(&store).await;
    assert!(!knows(&store, &world, 1, lead).await);
    assert_eq!(world.used(&store).await, [1, 1]);
    // The worker's second look at an old record changes nothing.
    for reopened in [false, true] {
        if reopened {
            let (later, _) = world.sell(&store, 2).await;
            work(&store).await;
            store.close().await;
            drop(store);
            store = world.open();
            assert!(
                !knows(&store, &world, 1, lead).await,
                "a snapshot forgets as well"
            );
            assert!(knows(&store, &world, 2, later).await);
        }
        let units = 1 + i64::from(reopened);
        let body = records::received(&world.key(1), &[1; 32]);
        let record = records::record(lead, 0, world.clock.wall(), body);
        let folded = store.claims().fold(0, &record).await.unwrap();
        assert_eq!(folded.changes, []);
        assert!(!knows(&store, &world, 1, lead).await);
        assert_eq!(world.used(&store).await, [units, units]);
    }
    drop(one);
}

#[tokio::test]
async fn a_lead_that_has_ended_is_told_from_the_log_and_moves_no_cap_again() {
    let world = World::new();
    let mut store = world.open();
    let (lead, one) = world.sell(&store, 1).await;
    let answer = Arc::from(b"sold".as_slice());
    store.claims().answered(lead, answer).await.unwrap();
    work(&store).await;
    let whole = store.claims().lead(lead).await.unwrap().unwrap();
    assert_eq!(whole.answer.as_deref(), Some(b"sold".as_slice()));
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(61));
        world.traffic(&store).await;
        let told = store.claims().lead(lead).await.unwrap().unwrap();
        assert_eq!((&told.state, &told.answer), (&whole.state, &whole.answer));
        assert!(knows(&store, &world, 1, lead).await);
        // A router that was slow, and a worker that reads again.
        store.caps().settle(&one, Usage::Nothing).await.unwrap();
        store.caps().settle(&one, Usage::Sold).await.unwrap();
        assert_eq!(world.used(&store).await, [1, 1]);
        store.close().await;
        drop(store);
        store = world.open();
    }
    // What comes late is still folded into all that came before.
    let late = records::settled(1, false, 7);
    world.write(&store, lead, late).await;
    work(&store).await;
    let told = store.claims().lead(lead).await.unwrap().unwrap();
    let (state, before) = (told.state.unwrap(), whole.state.unwrap());
    assert!(state.applied > before.applied);
    assert_eq!(
        (&state.received, &state.legs),
        (&before.received, &before.legs)
    );
    assert_eq!(world.used(&store).await, [1, 1]);
}

#[tokio::test]
async fn what_the_worker_has_not_seen_is_kept_however_old() {
    let world = World::new();
    let store = world.open();
    let (lead, _) = world.sell(&store, 1).await;
    world.clock.advance(HOUR * 50);
    world.traffic(&store).await;
    assert!(knows(&store, &world, 1, lead).await);
    store.close().await;
    drop(store);
    let store = world.open();
    world.traffic(&store).await;
    assert!(knows(&store, &world, 1, lead).await);
    assert_eq!(world.used(&store).await, [1, 1]);
    work(&store).await;
    assert_eq!(world.used(&store).await, [1, 1]);
    world.clock.advance(HOUR * 25);
    world.traffic(&store).await;
    assert!(!knows(&store, &world, 1, lead).await);
}

#[tokio::test]
async fn a_window_of_the_past_is_forgotten_and_a_total_never() {
    let world = World::new();
    let store = world.open();
    let (_, one) = world.sell(&store, 1).await;
    store.caps().settle(&one, Usage::Sold).await.unwrap();
    assert_eq!(world.used(&store).await, [1, 1]);
    for _ in 0..2 {
        world.clock.advance(HOUR * 49);
        // A new counter in the same shard is the occasion.
        let new = Reservation {
            id: ReservationId {
                lead: LeadId::mint(world.clock.wall(), &world.entropy),
                leg: 1,
            },
            counters: vec![records::unit(
                &format!("c:b/c/d{}", world.clock.wall().as_millis()),
                9,
            )],
        };
        let now = world.clock.wall();
        store.caps().hold(&new, now, now.plus(HOUR)).await.unwrap();
    }
    assert_eq!(world.used(&store).await, [0, 1]);
}

#[tokio::test]
async fn the_log_is_cut_once_everybody_has_passed_and_two_snapshots_hold_it() {
    let mut world = World::new();
    world.options.segment_bytes = 4096;
    world.options.retention = Duration::ZERO;
    let segments = |world: &World| {
        let files = std::fs::read_dir(world.dir.path().join("leads")).unwrap();
        let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.ends_with(".seg")).collect();
        names.sort();
        names
    };
    let mut store = world.open();
    for n in 0..40 {
        world.sell(&store, n).await;
    }
    let all = segments(&world);
    assert!(all.len() > 3);
    // Nobody has read it; then there is only one snapshot.
    store.snapshot().await.unwrap();
    assert_eq!(segments(&world), all);
    work(&store).await;
    world.sell(&store, 100).await;
    work(&store).await;
    // The second holds all, the first what two hold.
    store.close().await;
    let cut = segments(&world);
    assert!(cut.len() < all.len(), "{cut:?}");
    drop(store);
    store = world.open();
    assert_eq!(world.used(&store).await, [41, 41]);
    let mut late = store
        .log()
        .subscribe("late", &[Topic::Leads])
        .await
        .unwrap();
    let first = late.next(Duration::ZERO).await.unwrap();
    let begins_late =
        matches!(first, Some(Delivery::Assigned { next_offset, .. }) if next_offset > 0);
    assert!(
        begins_late,
        "a new group begins with what is left: {first:?}"
    );
    drop((late, store));

    // A log that begins after all that is known of it is not opened.
    std::fs::remove_dir_all(world.dir.path().join("snapshots").join("leads")).unwrap();
    let opened = Local::open(world.options.clone(), world.clock.port());
    assert!(matches!(
        opened.err(),
        Some(OpenError::Gap { topic: "leads", .. })
    ));
}

#[tokio::test]
async fn snapshots_come_by_themselves_when_enough_has_changed() {
    let mut world = World::new();
    world.options.snapshot_bytes = 2000;
    world.options.snapshot_updates = 3;
    let written = |world: &World, state: &str| {
        let dir = world.dir.path().join("snapshots").join(state);
        std::fs::read_dir(dir).map_or(0, Iterator::count)
    };
    let store = world.open();
    for n in 0..10 {
        world.sell(&store, n).await;
    }
    let key = TrackKey::new([1; 32]);
    let visitor = VisitorId::mint(world.clock.wall(), &world.entropy, &key);
    for n in 0..4_u8 {
        let entry = JourneyEntry {
            id: vec![n; 16],
            ts_us: world.clock.wall().as_micros(),
            ..JourneyEntry::default()
        };
        let identity = Identity::Visitor(visitor);
        let update = JourneyUpdate {
            identity,
            ts_us: entry.ts_us,
            news: News::Event(entry),
        };
        let applied = store
            .journeys()
            .apply(vec![update], (0, u64::from(n) + 1), 0);
        applied.await.unwrap();
    }
    // The first one of journeys says only that there are some.
    let all_there = async {
        while written(&world, "leads") == 0 || written(&world, "journeys") < 2 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), all_there).await;
    assert!(waited.is_ok());
    drop(store);
    let store = world.open();
    assert_eq!(world.used(&store).await, [10, 10]);
}

#[tokio::test]
async fn memory_is_bounded_and_gives_way_to_what_is_committed() {
    let clock = FakeClock::default();
    let options = LocalOptions {
        memory_bytes: 1000,
        ..LocalOptions::default()
    };
    let store = Local::open(options, clock.port()).unwrap();
    let mut worker = store
        .log()
        .subscribe("worker", &[Topic::Events])
        .await
        .unwrap();
    let append = || {
        let record = vec![0; 400].into();
        store.log().append(Topic::Events, 0, record, Ack::Kernel)
    };
    append().await.unwrap();
    append().await.unwrap();
    assert_eq!(append().await, Err(LogError::NoSpace));
    worker.commit(&[(Topic::Events, 0, 1)]).await.unwrap();
    assert_eq!(append().await.unwrap().offset, 2);
    assert_eq!(append().await, Err(LogError::NoSpace));
}

#[tokio::test]
async fn the_stores_clock_never_goes_back() {
    let clock = FakeClock::default();
    let store = Local::open(LocalOptions::default(), clock.port()).unwrap();
    let now = clock.wall();
    let lead = LeadId::from_bytes([1; 16]);
    let one = Reservation {
        id: ReservationId { lead, leg: 1 },
        counters: vec![records::unit("c:b/c/total", 1)],
    };
    let caps = Arc::new(store.caps().clone());
    caps.hold(&one, now, now.plus(HOUR)).await.unwrap();
    clock.set_wall(now.minus(HOUR));
    let other = Reservation {
        id: ReservationId { lead, leg: 2 },
        counters: one.counters.clone(),
    };
    let back = clock.wall();
    let held = caps.hold(&other, back, back.plus(HOUR)).await;
    assert_eq!(held, Ok(store::Held::ClockSkew));
}
