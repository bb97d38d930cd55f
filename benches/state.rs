//! What the steps of a lead and a click cost on the live state, per core:
//! `cargo bench -p benches --bench state`.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench reads the clock and stops at the first surprise"
)]

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{
    AuctionId, ClickId, Clock, EventId, LeadId, LeadStatus, LegState, Reservation, ReservationId,
    TrackKey, Usage, VisitorId,
};
use proto::{JourneyBody, JourneyEntry, LeadBody, LeadRecord, Message as _, TouchEntry};
use store::{
    Ack, AdmitRequest, Backend, Caps, ClaimKey, Claims, Consumer, ConsumerClaim, Delivery,
    EventLog, Held, Identity, JourneyUpdate, Journeys, News, Pinned, Topic, key,
};
use store_local::{Local, LocalOptions};
use testkit::{FakeClock, SeededEntropy, records};

const EACH: u32 = 200_000;

async fn timed<F: Future<Output = ()>>(what: &str, work: impl FnOnce() -> F) {
    let start = Instant::now();
    work().await;
    let each = start.elapsed().as_nanos() / u128::from(EACH);
    println!("{what:<44} {each:>6} ns");
}

async fn caps(store: &Local, leads: &[LeadId], contracts: u64, now: domain::Timestamp) {
    let reservations = (0..).zip(leads).map(|(n, lead): (u64, _)| {
        let contract = n % contracts;
        Reservation {
            id: ReservationId {
                lead: *lead,
                leg: 1,
            },
            counters: vec![
                records::unit(&format!("c:b/c{contract}/d1"), i64::MAX),
                records::unit(&format!("c:b/c{contract}/total"), i64::MAX),
            ],
        }
    });
    let reservations: Vec<_> = reservations.collect();
    let what = format!("hold + pin + settle, {contracts} contracts");
    timed(&what, || async {
        for one in &reservations {
            let caps = store.caps();
            let expires = now.plus(Duration::from_secs(30));
            assert_eq!(caps.hold(one, now, expires).await, Ok(Held::Granted));
            assert_eq!(caps.pin(one.id, now).await, Ok(Pinned::Pinned));
            caps.settle(one, Usage::Sold).await.unwrap();
        }
    })
    .await;
}

/// Leads on disk alone, beside which the same is measured.
const ARCHIVED: u32 = 50_000;

/// What the n-th lead claims: a key, a quote, and a consumer of two hashes.
fn request(n: u32, clock: &FakeClock, entropy: &SeededEntropy) -> AdmitRequest {
    let now = clock.wall();
    let number = |of: u8| {
        let mut bytes = [of; 16];
        // Spread as hashes are.
        let spread = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes[..8].copy_from_slice(&spread.to_be_bytes());
        bytes
    };
    AdmitRequest {
        lead: LeadId::mint(now, entropy),
        key: ClaimKey(format!("publisher/campaign/post/request-{n}")),
        digest: [1; 32],
        quote: Some(AuctionId::from_bytes(number(0))),
        consumer: ConsumerClaim {
            campaign: "solar".into(),
            publisher: "pub".into(),
            hashes: vec![number(1), number(2)],
            remembered: Duration::from_secs(30 * 24 * 3600),
            ..ConsumerClaim::default()
        },
        lease: Duration::from_secs(40),
        now,
    }
}

/// Sells leads, and has them go to disk.
async fn archive(store: &Local, clock: &FakeClock, entropy: &SeededEntropy) {
    let mut last = None;
    for n in 0..ARCHIVED {
        let request = request(n, clock, entropy);
        let LeadBody::Received(mut received) = records::received(&request.key, &[1; 32]) else {
            return;
        };
        received.auction = request.quote.unwrap().as_bytes().to_vec();
        let hashes = request.consumer.hashes.iter();
        received.consumers = hashes.map(|hash| hash.to_vec()).collect();
        received.remembered_us = 30 * 24 * 3_600_000_000;
        let replies = vec![records::reply(1, LegState::Accepted)];
        for body in [
            LeadBody::Received(received),
            LeadBody::Posting(records::posting(1, &[], request.now)),
            records::outcome(LeadStatus::Sold, None, replies, b"sold"),
        ] {
            let record = records::record(request.lead, 0, request.now, body);
            let bytes = records::bytes(&record);
            let log = store.log();
            let appended = log.append(Topic::Leads, key::lead(request.lead), bytes, Ack::Durable);
            if n % 1000 == 0 {
                last = Some(appended.await.unwrap());
            } else {
                drop(appended);
            }
        }
    }
    assert!(last.is_some());
    let mut worker = store
        .log()
        .subscribe("worker", &[Topic::Leads])
        .await
        .unwrap();
    while let Some(delivery) = worker.next(Duration::from_millis(100)).await.unwrap() {
        let Delivery::Records {
            partition, records, ..
        } = delivery
        else {
            continue;
        };
        for record in &records {
            let decoded = LeadRecord::decode(record.payload.clone()).unwrap();
            store.claims().fold(record.offset, &decoded).await.unwrap();
        }
        let next = records.last().unwrap().offset + 1;
        worker
            .commit(&[(Topic::Leads, partition, next)])
            .await
            .unwrap();
    }
    clock.advance(Duration::from_secs(600));
    store.snapshot().await.unwrap();
}

/// A look-up and an admission, and both of what is on disk alone.
async fn fence(store: &Local, clock: &FakeClock, entropy: &SeededEntropy, beside: &str) {
    let claims = store.claims();
    let fresh: Vec<_> = (0..EACH)
        .map(|n| request(ARCHIVED + n, clock, entropy))
        .collect();
    timed(
        &format!("lookup + admit of a consumer, {beside}"),
        || async {
            for request in fresh {
                claims.lookup(&request.key, &[1; 32]).await.unwrap();
                claims.admit(request).await.unwrap();
            }
        },
    )
    .await;
}

/// A click of each of these visitors.
async fn clicks(what: &str, store: &Local, clock: &FakeClock, visitors: &[VisitorId]) {
    clock.advance(Duration::from_secs(1));
    let (now, entropy) = (clock.wall(), SeededEntropy::new(2));
    let key = TrackKey::new([1; 32]);
    let touch = |visitor: &VisitorId| {
        let ts_us = now.as_micros();
        let body = TouchEntry {
            publisher: "a-publisher".to_owned(),
            link: "a-link-of-it".to_owned(),
            campaign: "a-campaign".to_owned(),
            ..TouchEntry::default()
        };
        let entry = JourneyEntry {
            id: EventId::mint(now, &entropy).as_bytes().to_vec(),
            ts_us,
            click_id: ClickId::mint(now, &entropy, visitor, &key)
                .as_bytes()
                .to_vec(),
            body: Some(JourneyBody::Touch(body)),
            ..JourneyEntry::default()
        };
        JourneyUpdate {
            identity: Identity::Visitor(*visitor),
            ts_us,
            news: News::Event(entry),
        }
    };
    let updates: Vec<_> = visitors.iter().map(touch).collect();
    timed(what, || async {
        for batch in updates.chunks(100) {
            let applied = store.journeys().apply(batch.to_vec(), (0, 0), 0).await;
            applied.unwrap();
        }
    })
    .await;
}

/// Clicks of those who are new and of those who come back, with journeys in memory and on disk.
async fn journeys() {
    let clock = FakeClock::default();
    let (entropy, key) = (SeededEntropy::new(1), TrackKey::new([1; 32]));
    let mint = || -> Vec<VisitorId> {
        let visitors = (0..EACH).map(|_| {
            clock.advance(Duration::from_micros(100));
            VisitorId::mint(clock.wall(), &entropy, &key)
        });
        visitors.collect()
    };
    let dir = tempfile::tempdir().unwrap();
    let options = LocalOptions {
        snapshot_updates: usize::MAX,
        ..LocalOptions::in_dir(dir.path())
    };
    let store = Local::open(options, clock.port()).unwrap();
    let first = mint();
    clicks(
        "click of a new visitor, nothing on disk",
        &store,
        &clock,
        &first,
    )
    .await;
    clicks("click of a visitor in memory", &store, &clock, &first).await;
    for _ in 0..3 {
        store.snapshot().await.unwrap();
        let new = mint();
        clicks("click of a new visitor", &store, &clock, &new).await;
    }
    store.snapshot().await.unwrap();
    store.snapshot().await.unwrap();
    clicks("click of a visitor on disk", &store, &clock, &first).await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let clock = FakeClock::default();
    let (now, entropy) = (clock.wall(), SeededEntropy::new(1));
    let store = Local::open(LocalOptions::default(), clock.port()).unwrap();
    let leads: Vec<_> = (0..EACH).map(|_| LeadId::mint(now, &entropy)).collect();
    let keys: Vec<_> = (0..EACH)
        .map(|n| ClaimKey(format!("publisher/campaign/post/request-{n}")))
        .collect();
    timed("lookup of a free key + admit", || async {
        for (lead, key) in leads.iter().zip(&keys) {
            let claims = store.claims();
            claims.lookup(key, &[1; 32]).await.unwrap();
            let request = AdmitRequest {
                lead: *lead,
                key: key.clone(),
                digest: [1; 32],
                quote: None,
                consumer: ConsumerClaim::default(),
                lease: Duration::from_secs(40),
                now,
            };
            claims.admit(request).await.unwrap();
        }
    })
    .await;
    let answer: Arc<[u8]> = vec![7; 300].into();
    timed("posting + answered", || async {
        for lead in &leads {
            store.claims().posting(*lead).await.unwrap();
            let answered = store.claims().answered(*lead, Arc::clone(&answer)).await;
            answered.unwrap();
        }
    })
    .await;
    timed("lookup of an answered key", || async {
        for key in &keys {
            store.claims().lookup(key, &[1; 32]).await.unwrap();
        }
    })
    .await;
    caps(&store, &leads[..], 100, now).await;
    let second: Vec<_> = (0..EACH).map(|_| LeadId::mint(now, &entropy)).collect();
    caps(&store, &second, 1, now).await;
    fence(&store, &clock, &entropy, "in memory").await;
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::default();
    let store = Local::open(LocalOptions::in_dir(dir.path()), clock.port()).unwrap();
    archive(&store, &clock, &entropy).await;
    fence(&store, &clock, &entropy, "beside an archive").await;
    let old: Vec<_> = (0..ARCHIVED)
        .map(|n| request(n, &clock, &entropy).key)
        .collect();
    timed("by key, of the archive (x 4)", || async {
        for key in old.iter().cycle().take(EACH as usize) {
            assert!(store.claims().by_key(key).await.unwrap().is_some());
        }
    })
    .await;
    store.close().await;
    journeys().await;
}
