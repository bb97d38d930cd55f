//! What the steps of a lead cost on the live state, per core: `cargo bench -p store-local`.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench reads the clock and stops at the first surprise"
)]

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{Clock, LeadId, Reservation, ReservationId, Usage};
use store::{AdmitRequest, Backend, Caps, ClaimKey, Claims, ConsumerClaim, Held, Pinned};
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
}
