//! The client against real sandbox buyers: what it is told is what their journals say.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads the machine's clock, and fails by panicking"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::{Clock, Mono, Timestamp};
use sandbox::{
    Answer, Delivery, Kind, Listen, Options, Profile, Sandbox, Seen, Tap, Verdict, read_journals,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use traffic::{Answered, Call, Pool, Unanswered};

/// No wait is longer, but for one that is to be in vain.
const PATIENCE: Duration = Duration::from_secs(30);

struct Os(Instant);

impl Clock for Os {
    fn wall(&self) -> Timestamp {
        let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_micros(i64::try_from(age.as_micros()).unwrap())
    }
    fn mono(&self) -> Mono {
        Mono::from_micros(u64::try_from(self.0.elapsed().as_micros()).unwrap())
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(Os(Instant::now()))
}

/// Says when a request was read.
#[derive(Default)]
struct Reads(Notify);

impl Tap for Reads {
    fn seen(&self, _: Seen<'_>) -> Verdict {
        self.0.notify_one();
        Verdict::Answer
    }
}

async fn start(dir: &Path, profile: impl FnOnce(&mut Profile)) -> (Sandbox, Pool) {
    start_with(dir, profile, None).await
}

async fn start_with(
    dir: &Path,
    profile: impl FnOnce(&mut Profile),
    tap: Option<Arc<dyn Tap>>,
) -> (Sandbox, Pool) {
    let mut profiles = Profile::standard(1);
    profile(&mut profiles[0]);
    let options = Options {
        listen: Listen::Any,
        profiles,
        seed: 1,
        journal: dir.to_owned(),
        marker: "marker".into(),
        tap,
    };
    let sandbox = Sandbox::start(options, clock()).await.unwrap();
    let pool = Pool::new(sandbox.buyers()[0].addr, 8, PATIENCE, clock());
    (sandbox, pool)
}

fn ping(n: u32) -> Call {
    let body = json!({"ping_id": format!("bp_{n}"), "campaign": "c", "contract": "ct", "tmax_ms": 100,
        "currency": "USD", "test": false, "lead": {"zip": "78701", "marker": format!("m{n}")}});
    Call::json("/ping", &body)
}

fn post(key: u32, test: bool, zip: &str) -> Call {
    let body = json!({"ping_id": "bp_1", "campaign": "c", "contract": "ct", "tmax_ms": 100, "test": test,
        "lead_id": format!("ld_{key}"), "idempotency_key": format!("bk_{key}"), "price": "14.00",
        "lead": {"zip": zip, "marker": "m"}});
    Call::json("/post", &body)
}

fn body(answered: &Answered) -> Value {
    answered.json().unwrap_or(Value::Null)
}

#[tokio::test]
async fn every_ping_is_in_the_journal_as_it_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (sandbox, pool) = start(dir.path(), |profile| {
        profile.bid.share = 0.7;
        profile.ping.stall = 0.0;
        profile.ping.broken = 0.3;
    })
    .await;
    let mut told = Vec::new();
    for n in 0..100 {
        told.push(pool.call(ping(n)).await);
    }
    sandbox.stop().await;
    let journal = read_journals(dir.path()).unwrap();
    assert_eq!(journal.len(), told.len());
    for (told, entry) in told.iter().zip(&journal) {
        assert_eq!(entry.kind, Kind::Ping);
        match (told, entry.delivery) {
            (Ok(answered), Delivery::Answered) => {
                let bid = body(answered)["bid"].as_str().map(str::to_owned);
                assert_eq!(
                    (bid.is_some(), &bid),
                    (entry.answer == Answer::Bid, &entry.price)
                );
                let service = Duration::from_micros(entry.service_us.unwrap());
                assert!(answered.took >= service, "{:?} {service:?}", answered.took);
            }
            (Ok(answered), Delivery::ServerError) => assert_eq!(answered.status, 500),
            (Ok(answered), Delivery::Garbage) => assert_eq!(body(answered), Value::Null),
            (Err(Unanswered::Broken(_)), Delivery::Reset | Delivery::Truncated) => {}
            odd => panic!("{odd:?}"),
        }
    }
    let kinds = |delivery| {
        journal
            .iter()
            .filter(|entry| entry.delivery == delivery)
            .count()
    };
    for delivery in [
        Delivery::Answered,
        Delivery::Reset,
        Delivery::ServerError,
        Delivery::Garbage,
        Delivery::Truncated,
    ] {
        assert!(kinds(delivery) > 0, "{delivery:?} never happened");
    }
}

#[tokio::test]
async fn a_repeated_key_is_answered_as_before_even_by_a_restarted_buyer() {
    let dir = tempfile::tempdir().unwrap();
    let half = |profile: &mut Profile| profile.post.reject = 0.5;
    let (sandbox, pool) = start(dir.path(), half).await;
    let mut first = Vec::new();
    for key in 0..20 {
        first.push(body(&pool.call(post(key, false, "78701")).await.unwrap()));
    }
    sandbox.stop().await;
    // A buyer with other manners would decide otherwise: what it remembers wins.
    let (sandbox, pool) = start(dir.path(), |profile| profile.post.reject = 1.0).await;
    for key in 0..20 {
        let again = body(&pool.call(post(key, false, "78701")).await.unwrap());
        assert_eq!(again["status"], first[key as usize]["status"]);
    }
    sandbox.stop().await;
    let journal = read_journals(dir.path()).unwrap();
    assert_eq!(journal.iter().filter(|entry| entry.repeat).count(), 20);
    assert!(first.iter().any(|answer| answer["status"] == "accepted"));
    assert!(first.iter().any(|answer| answer["status"] == "rejected"));
}

#[tokio::test]
async fn a_stalled_post_is_bought_and_never_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (sandbox, pool) = start(dir.path(), |_| {}).await;
    let hasty = Pool::new(pool.addr(), 1, Duration::from_millis(500), clock());
    let told = hasty.call(post(1, true, "99995")).await;
    assert!(matches!(told, Err(Unanswered::TimedOut(_))), "{told:?}");
    let repeated = body(&pool.call(post(1, true, "99995")).await.unwrap());
    assert_eq!(repeated["status"], "accepted");
    sandbox.stop().await;
    let journal = read_journals(dir.path()).unwrap();
    assert_eq!(
        (journal[0].answer, journal[0].delivery),
        (Answer::Accepted, Delivery::Never)
    );
    assert_eq!(
        (journal[1].answer, journal[1].repeat),
        (Answer::Accepted, true)
    );
}

#[tokio::test]
async fn a_buyer_that_has_read_a_post_keeps_it_although_the_caller_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let reads = Arc::new(Reads::default());
    let slow = |profile: &mut Profile| {
        profile.latency.min = Duration::from_millis(150);
        profile.latency.typical = Duration::from_millis(150);
        profile.latency.tail = Duration::from_millis(150);
    };
    let tap: Arc<dyn Tap> = Arc::clone(&reads) as _;
    let (sandbox, pool) = start_with(dir.path(), slow, Some(tap)).await;
    tokio::select! {
        biased;
        () = reads.0.notified() => {}
        told = pool.call(post(7, true, "99991")) => panic!("{told:?}"),
    }
    let deadline = Instant::now() + PATIENCE;
    while read_journals(dir.path()).unwrap().is_empty() {
        assert!(Instant::now() < deadline, "the post was forgotten");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        read_journals(dir.path()).unwrap()[0].answer,
        Answer::Accepted
    );
    sandbox.stop().await;
}
