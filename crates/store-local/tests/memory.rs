//! How much memory leads and visitors take, counted at the allocator: those that are in memory, which is
//! what limits a machine, and those that are on disk alone, of which there may be any number.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]
#![expect(
    unsafe_code,
    reason = "counting allocations is being an allocator; each call goes straight to the system's"
)]

mod work;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::{
    AuctionId, ClickId, Clock, EventId, LeadId, LeadStatus, LegState, Reservation, ReservationId,
    Timestamp, TrackKey, VisitorId,
};
use proto::{
    CapFact, Claim, Conversion, Facts, HistoryFact, JourneyBody, JourneyEntry, LeadBody, Quoted,
    TouchEntry,
};
use store::{
    Ack, Admission, AdmitRequest, Backend, Caps, ClaimKey, Claims, ConsumerClaim, EventLog,
    Identity, JourneyUpdate, Journeys, News, PING_KEPT, Topic, Vault, WrappedKey, key,
};
use store_local::{Local, LocalOptions};
use testkit::{FakeClock, SeededEntropy, records};
use work::work;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, and it is the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Bytes of a lead of one leg and two hashes of its consumer, all indexes included.
const MOST: usize = 1800;
const SOME: usize = 4000;
/// Bytes of a lead that is on disk alone.
const MOST_OF_THE_ARCHIVE: usize = 100;
/// Bytes of a key in the vault, which is on disk as well: two times for many of them.
const MOST_OF_A_KEY: usize = 1;
/// Bytes of a visitor with five clicks.
const MOST_OF_A_VISITOR: usize = 1100;
const CLICKS: usize = 5;
/// Bytes of one who is on disk alone: filters and the places of blocks.
const MOST_ON_DISK: usize = 100;
const GENERATIONS: usize = 4;

/// Only what is on disk may go from memory: with the last record of some all of them are.
fn durable_if(last: bool) -> Ack {
    match last {
        true => Ack::Durable,
        false => Ack::Kernel,
    }
}

struct World {
    clock: FakeClock,
    entropy: SeededEntropy,
    store: Local,
}

impl World {
    async fn sell(&self, n: usize, ack: Ack) {
        let now = self.clock.wall();
        let lead = LeadId::mint(now, &self.entropy);
        let quote = AuctionId::mint(now, &self.entropy);
        let key = ClaimKey(format!("a-publisher/a-campaign/post/{quote}"));
        let hashes = [0, 1].map(|one| {
            let mut hash = [one; 16];
            hash[8..].copy_from_slice(&(n as u64).to_be_bytes());
            hash
        });
        let consumer = ConsumerClaim {
            campaign: "a-campaign".into(),
            publisher: "a-publisher".into(),
            hashes: hashes.to_vec(),
            remembered: Duration::from_secs(30 * 24 * 3600),
            ..ConsumerClaim::default()
        };
        let admission = self.store.claims().admit(AdmitRequest {
            lead,
            key: key.clone(),
            digest: [1; 32],
            quote: Some(quote),
            consumer,
            lease: Duration::from_secs(40),
            now,
        });
        assert!(matches!(admission.await.unwrap(), Admission::Granted(_)));
        let counters: Vec<_> = ["d1", "m1", "total"]
            .map(|window| records::unit(&format!("c:buyer/contract/{window}"), 1 << 40))
            .into();
        let id = ReservationId { lead, leg: 1 };
        let one = Reservation {
            id,
            counters: counters.clone(),
        };
        let until = now.plus(Duration::from_secs(60));
        self.store.caps().hold(&one, now, until).await.unwrap();
        self.store.caps().pin(id, now).await.unwrap();
        self.store.claims().posting(lead).await.unwrap();
        let LeadBody::Received(mut received) = records::received(&key, &[1; 32]) else {
            unreachable!("it is one");
        };
        // What an auction among ten contracts records.
        received.auction = quote.as_bytes().to_vec();
        received.consumers = hashes.iter().map(|hash| hash.to_vec()).collect();
        received.remembered_us = 30 * 24 * 3_600_000_000;
        received.sealed = vec![7; 600];
        received.facts = Some(Facts {
            caps: (0..20)
                .map(|n| CapFact {
                    counter: format!("c:buyer-{n}/contract/d20261122"),
                    used: n,
                })
                .collect(),
            histories: (0..10)
                .map(|n| HistoryFact {
                    contract: format!("contract-{n}"),
                    ..HistoryFact::default()
                })
                .collect(),
            ..Facts::default()
        });
        let replies = vec![records::reply(1, LegState::Accepted)];
        let answer = vec![9; 500];
        for body in [
            LeadBody::Received(received),
            LeadBody::Posting(records::posting(1, &counters, until)),
            records::outcome(LeadStatus::Sold, None, replies, &answer),
        ] {
            let record = records::record(lead, 0, now, body);
            let bytes = records::bytes(&record);
            let log = self.store.log();
            let appended = log.append(Topic::Leads, key::lead(lead), bytes, ack);
            appended.await.unwrap();
        }
        self.store
            .claims()
            .answered(lead, answer.into())
            .await
            .unwrap();
    }

    /// Sells so many leads, lets them grow cold, and gives the bytes in use.
    async fn after(&self, leads: std::ops::Range<usize>) -> usize {
        let last = leads.end - 1;
        for n in leads {
            self.sell(n, durable_if(n == last)).await;
        }
        work(&self.store).await;
        self.clock.advance(Duration::from_secs(61));
        for n in 0..SOME {
            let now = self.clock.wall();
            let lead = LeadId::mint(now, &self.entropy);
            let admission = self.store.claims().admit(AdmitRequest {
                lead,
                key: ClaimKey(format!("a-publisher/a-campaign/post/{n}")),
                digest: [1; 32],
                quote: None,
                consumer: ConsumerClaim::default(),
                lease: Duration::from_secs(40),
                now,
            });
            admission.await.unwrap();
            self.store.claims().withdraw(lead).await.unwrap();
        }
        // The shadow has read everything that is in a snapshot.
        self.store.snapshot().await.unwrap();
        LIVE.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_lead_that_has_ended_takes_little_memory() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::new(Timestamp::from_micros(4_102_488_000_000_000));
    let world = World {
        store: Local::open(LocalOptions::in_dir(dir.path()), clock.port()).unwrap(),
        entropy: SeededEntropy::new(5),
        clock,
    };
    let before = world.after(0..SOME).await;
    let after = world.after(SOME..2 * SOME).await;
    let each = after.saturating_sub(before) / SOME;
    println!("{each} bytes for each lead");
    assert!(each <= MOST, "{each} bytes for each lead");
}

#[tokio::test]
async fn a_lead_that_ended_minutes_ago_takes_no_memory() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::new(Timestamp::from_micros(4_102_488_000_000_000));
    let world = World {
        store: Local::open(all_but_cold(dir.path()), clock.port()).unwrap(),
        entropy: SeededEntropy::new(5),
        clock,
    };
    let archived = async |leads| {
        world.after(leads).await;
        world.clock.advance(Duration::from_secs(300));
        world.store.snapshot().await.unwrap();
        LIVE.load(Ordering::Relaxed)
    };
    let before = archived(0..SOME).await;
    for round in 1..4 {
        archived(round * SOME..(round + 1) * SOME).await;
    }
    let after = LIVE.load(Ordering::Relaxed);
    let each = after.saturating_sub(before) / (3 * SOME);
    println!("{each} bytes for each lead of the archive");
    assert!(each <= MOST_OF_THE_ARCHIVE, "{each} bytes for each lead");
}

#[tokio::test]
async fn a_key_in_the_vault_takes_no_memory() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::new(Timestamp::from_micros(4_102_488_000_000_000));
    let store = Local::open(LocalOptions::in_dir(dir.path()), clock.port()).unwrap();
    let entropy = SeededEntropy::new(5);
    let fill = async |keys: usize| {
        let mut stored = Vec::with_capacity(keys);
        for _ in 0..keys {
            clock.advance(Duration::from_millis(1));
            let lead = LeadId::mint(clock.wall(), &entropy);
            stored.push(store.vault().put(lead, WrappedKey([7; WrappedKey::LEN])));
        }
        for stored in stored {
            stored.await.unwrap();
        }
        LIVE.load(Ordering::Relaxed)
    };
    let before = fill(2 * SOME).await;
    for _ in 0..4 {
        fill(2 * SOME).await;
    }
    let each = LIVE.load(Ordering::Relaxed).saturating_sub(before) / (8 * SOME);
    println!("{each} bytes for each key");
    assert!(each <= MOST_OF_A_KEY, "{each} bytes for each key");
}

/// Pings a minute, and the bytes of such an answer.
const PINGS: usize = 500;
const ANSWER: usize = 450;
/// Bytes of one that is kept: the answer twice, for whoever asks and for the next snapshot, and its key.
const MOST_OF_A_PING: usize = 2 * ANSWER + 500;
/// Less than an id of it. What was read is let go in pieces, so that memory sways by some hundred kilobytes.
const MOST_OF_A_PAST_PING: usize = 15;

#[tokio::test]
async fn a_ping_is_forgotten_after_its_quote() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::new(Timestamp::from_micros(4_102_488_000_000_000));
    let store = Local::open(LocalOptions::in_dir(dir.path()), clock.port()).unwrap();
    let entropy = SeededEntropy::new(5);
    let ask = async |minutes: u64| {
        let pings = minutes * PINGS as u64;
        for n in 1..=pings {
            clock.advance(Duration::from_secs(60) / PINGS as u32);
            let now = clock.wall();
            let auction = AuctionId::mint(now, &entropy);
            let key = ClaimKey(format!("a-publisher/a-campaign/ping/{auction}"));
            let quoted = Quoted {
                claim: Some(Claim {
                    key: key.0.clone(),
                    digest: vec![1; 32],
                }),
                answer: vec![9; ANSWER],
                ..Quoted::default()
            };
            let mut record = records::record(
                LeadId::mint(now, &entropy),
                0,
                now,
                LeadBody::Quoted(quoted),
            );
            record.subject = auction.as_bytes().to_vec();
            let (log, bytes) = (store.log(), records::bytes(&record));
            let ack = durable_if(n == pings);
            let appended = log.append(Topic::Leads, key::auction(auction), bytes, ack);
            appended.await.unwrap();
            let quoted = store
                .claims()
                .quoted(key, [1; 32], vec![9; ANSWER].into(), now);
            quoted.await.unwrap();
        }
        store.snapshot().await.unwrap();
        LIVE.load(Ordering::Relaxed)
    };
    let kept = PING_KEPT.as_secs() / 60;
    let none = ask(0).await;
    let full = ask(kept).await;
    let each = full.saturating_sub(none) / (kept as usize * PINGS);
    println!("{each} bytes for each ping");
    assert!(each <= MOST_OF_A_PING, "{each} bytes for each ping");
    // Tables grow in steps.
    let full = ask(6 * kept).await;
    let more = ask(10 * kept).await.saturating_sub(full);
    let each = more / (10 * kept as usize * PINGS);
    println!("{each} bytes for each ping before");
    assert!(
        each <= MOST_OF_A_PAST_PING,
        "{each} bytes for each ping before"
    );
}

/// So that little of what is on disk is in memory beside.
fn all_but_cold(dir: &Path) -> LocalOptions {
    LocalOptions {
        cold_buffer_bytes: 64 << 10,
        cold_cache_bytes: 64 << 10,
        ..LocalOptions::in_dir(dir)
    }
}

/// A visitor with so many clicks.
async fn visit(store: &Local, entropy: &SeededEntropy, now: Timestamp, clicks: usize) {
    let key = TrackKey::new([3; 32]);
    let visitor = VisitorId::mint(now, entropy, &key);
    for n in 0..clicks {
        let click = ClickId::mint(now, entropy, &visitor, &key);
        let ts_us = now.as_micros() + n as i64;
        let touch = TouchEntry {
            publisher: "a-publisher".into(),
            link: "a-link-of-it".into(),
            campaign: "a-campaign".into(),
            ..TouchEntry::default()
        };
        let update = JourneyUpdate {
            identity: Identity::Visitor(visitor),
            ts_us,
            news: News::Event(JourneyEntry {
                id: EventId::mint(now, entropy).as_bytes().to_vec(),
                ts_us,
                click_id: click.as_bytes().to_vec(),
                body: Some(JourneyBody::Touch(touch)),
                ..JourneyEntry::default()
            }),
        };
        store
            .journeys()
            .apply(vec![update], (0, 0), 0)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_visitor_with_five_clicks_takes_little_memory() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let clock = FakeClock::new(Timestamp::from_micros(4_102_488_000_000_000));
    let store = Local::open(LocalOptions::default(), clock.port()).unwrap();
    let entropy = SeededEntropy::new(5);
    let before = LIVE.load(Ordering::Relaxed);
    // Just below where the tables grow: the most that each may take is twice that.
    const VISITORS: usize = 10_000;
    for _ in 0..VISITORS {
        visit(&store, &entropy, clock.wall(), CLICKS).await;
    }
    let each = LIVE.load(Ordering::Relaxed).saturating_sub(before) / VISITORS;
    println!("{each} bytes for each visitor");
    assert!(each <= MOST_OF_A_VISITOR, "{each} bytes for each visitor");
}

#[tokio::test]
async fn a_visitor_who_has_not_been_seen_lately_takes_no_memory() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let clock = FakeClock::new(Timestamp::from_micros(4_102_488_000_000_000));
    let store = Local::open(all_but_cold(dir.path()), clock.port()).unwrap();
    let entropy = SeededEntropy::new(5);
    // The least of some generations as large as each other: the disk is being tidied beside.
    let least = async || {
        let mut least = usize::MAX;
        for _ in 0..GENERATIONS {
            for _ in 0..SOME {
                clock.advance(Duration::from_millis(1));
                visit(&store, &entropy, clock.wall(), 1).await;
            }
            store.snapshot().await.unwrap();
            least = least.min(LIVE.load(Ordering::Relaxed));
        }
        least
    };
    let before = least().await;
    least().await;
    let after = least().await;
    let each = after.saturating_sub(before) / (2 * GENERATIONS * SOME);
    println!("{each} bytes for each visitor on disk");
    assert!(each <= MOST_ON_DISK, "{each} bytes for each visitor");
}

/// Bytes of a visitor with a click and an order, and of what the order keeps.
const MOST_OF_A_BUYER: usize = 1500;

#[tokio::test]
async fn a_visitor_who_ordered_takes_little_memory() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let clock = FakeClock::new(Timestamp::from_micros(4_102_488_000_000_000));
    let store = Local::open(LocalOptions::default(), clock.port()).unwrap();
    let (entropy, key) = (SeededEntropy::new(5), TrackKey::new([3; 32]));
    let now = clock.wall();
    let order = async |n: usize| {
        let visitor = VisitorId::mint(now, &entropy, &key);
        let click = ClickId::mint(now, &entropy, &visitor, &key);
        let event = |body| JourneyUpdate {
            identity: Identity::Visitor(visitor),
            ts_us: now.as_micros(),
            news: News::Event(JourneyEntry {
                id: EventId::mint(now, &entropy).as_bytes().to_vec(),
                ts_us: now.as_micros(),
                click_id: click.as_bytes().to_vec(),
                body: Some(body),
                ..JourneyEntry::default()
            }),
        };
        let touch = TouchEntry {
            publisher: "a-publisher".into(),
            link: "a-link-of-it".into(),
            campaign: "a-campaign".into(),
            ..TouchEntry::default()
        };
        let sale = Conversion {
            campaign: "a-campaign".into(),
            goal: "sale".into(),
            txid: format!("order-{n}"),
            currency: "USD".into(),
            status: "approved".into(),
            source: "postback".into(),
            ..Conversion::default()
        };
        let mut next = vec![
            event(JourneyBody::Touch(touch)),
            event(JourneyBody::Conversion(sale)),
        ];
        // What they tell each other, until nobody has anything to say.
        while !next.is_empty() {
            let applied = store.journeys().apply(next, (0, 0), 0).await.unwrap();
            next = (applied.tellings.into_iter())
                .map(|telling| JourneyUpdate {
                    identity: telling.to,
                    ts_us: telling.ts_us,
                    news: News::Told(telling.from, telling.what),
                })
                .collect();
        }
    };
    const ORDERS: usize = 10_000;
    let before = LIVE.load(Ordering::Relaxed);
    for n in 0..ORDERS {
        order(n).await;
    }
    let each = LIVE.load(Ordering::Relaxed).saturating_sub(before) / ORDERS;
    println!("{each} bytes for each visitor with an order");
    assert!(each <= MOST_OF_A_BUYER, "{each} bytes");
}
