//! Routers, publishers that come again, and a worker, over one Redis: as small as they can be, in the order of
//! steps that the real ones have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::{
    AuctionId, LeadId, LeadReason, LeadStatus, LegState, Reservation, ReservationId, Usage,
};
use proto::{LeadBody, LeadRecord, LeadState, Message as _};
use store::{
    Ack, Admission, AdmitRequest, Backend as _, Caps as _, ClaimKey, Claims as _, Consumer as _,
    ConsumerClaim, Delivery, EventLog as _, Held, Pinned, PostingClaim, Replay as _, StoreError,
    Topic, fold, key,
};
use store_local::{Local, LocalLog};
use store_redis::{Health, Redis, RedisOptions};
use testkit::{SeededEntropy, records};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::scene::{Scene, counter, wall};

/// How many leads come.
pub(crate) const LEADS: usize = 2000;
/// How many may be sold.
pub(crate) const CAP: i64 = 1000;
/// Publishers per router.
const PUBLISHERS: usize = 12;
/// How long a router may still write what it did before a loss.
const QUIET: Duration = Duration::from_millis(300);
/// Between two tries of a publisher.
const AGAIN: Duration = Duration::from_millis(20);

pub(crate) struct Market {
    shared: Arc<Shared>,
    /// Who compares has time.
    redis: Redis,
    _running: JoinSet<()>,
}

struct Shared {
    local: Local,
    entropy: SeededEntropy,
    /// The next lead that a publisher takes.
    next: AtomicUsize,
    ended: AtomicUsize,
    /// Sold, or pinned and not given up.
    out: AtomicI64,
    steps: AtomicU64,
}

fn quote_of(n: usize) -> [u8; 16] {
    let mut quote = [0xff; 16];
    quote[..8].copy_from_slice(&(n as u64).to_be_bytes());
    // An id of a far future is of no epoch before.
    quote[0] = 0x7f;
    quote
}

fn key_of(n: usize) -> ClaimKey {
    ClaimKey(format!("pub/solar/post/{n}"))
}

fn answer_of(lead: LeadId) -> Vec<u8> {
    format!("answer to {lead}").into_bytes()
}

impl Market {
    /// Two routers, a worker, and two who watch.
    pub(crate) async fn open(scene: &Scene, answer_within: Duration) -> Self {
        let shared = Arc::new(Shared {
            local: scene.local.clone(),
            entropy: SeededEntropy::new(7),
            next: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            out: AtomicI64::new(0),
            steps: AtomicU64::new(0),
        });
        let mut running = JoinSet::new();
        for name in ["one", "two"] {
            let options = RedisOptions {
                answer_within,
                ..scene.options(name)
            };
            let redis = Redis::open(options).await.unwrap();
            let (watching, log) = (redis.clone(), scene.local.clone());
            running.spawn(async move { watching.watch(log.log(), || QUIET).await });
            for _ in 0..PUBLISHERS {
                let (shared, redis) = (Arc::clone(&shared), redis.clone());
                running.spawn(async move { shared.publish(&redis).await });
            }
        }
        let redis = Redis::open(scene.options("three")).await.unwrap();
        let (working, worker) = (Arc::clone(&shared), redis.clone());
        running.spawn(async move { working.work(&worker).await });
        Self {
            shared,
            redis,
            _running: running,
        }
    }

    /// Waits until so many leads have ended, for their publishers.
    pub(crate) async fn until_ended(&self, leads: usize) {
        let ended = async {
            while self.shared.ended.load(Ordering::SeqCst) < leads {
                sleep(AGAIN).await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(100), ended).await;
        assert!(ended.is_ok(), "{:?} ended", self.shared.ended);
    }

    /// Compares what Redis has with the fold of the log, once the worker has come to its end. Says how many were
    /// sold.
    pub(crate) async fn is_as_the_log_says(&self) -> i64 {
        self.redis.until(|health| *health == Health::Up).await;
        let said = self.shared.folded().await;
        let mut sold = 0;
        for (lead, state) in &said {
            let claims = self.redis.claims();
            let known = async {
                loop {
                    let view = claims.lead(*lead).await.unwrap().unwrap();
                    if view.state.as_deref() == Some(state) {
                        return view;
                    }
                    sleep(AGAIN).await;
                }
            };
            let known = tokio::time::timeout(Duration::from_secs(30), known).await;
            let known = known.unwrap_or_else(|_| panic!("{lead} is not as the log says"));
            let status = state.lead_status().unwrap();
            assert!(status.is_final(), "{lead} is {status:?}");
            sold += i64::from(status == LeadStatus::Sold);
            assert_eq!(known.answer.as_deref(), Some(answer_of(*lead).as_slice()));
            let received = state.received.as_ref().unwrap();
            let claim = ClaimKey(received.claim.as_ref().unwrap().key.clone());
            assert_eq!(claims.by_key(&claim).await, Ok(Some(*lead)));
            let quote = received.auction_id().unwrap().unwrap();
            assert_eq!(claims.by_quote(quote).await, Ok(Some(*lead)));
        }
        assert_eq!(said.len(), LEADS);
        for partition in 0..4 {
            assert_eq!(self.redis.claims().open(partition).await, Ok(Vec::new()));
        }
        // Nothing is held or pinned any more: what is reserved is what is sold.
        let settled = async {
            while self.redis.caps().used(&[counter()]).await != Ok(vec![sold]) {
                sleep(AGAIN).await;
            }
        };
        let settled = tokio::time::timeout(Duration::from_secs(30), settled).await;
        let used = self.redis.caps().used(&[counter()]).await;
        assert!(
            settled.is_ok(),
            "{used:?} of the cap are reserved, {sold} sold"
        );
        sold
    }
}

impl Shared {
    fn log(&self) -> &LocalLog {
        self.local.log()
    }

    async fn append(&self, lead: LeadId, n: u32, body: LeadBody) {
        let record = records::record(lead, n, wall(), body);
        let bytes: Bytes = records::bytes(&record);
        let appended = self
            .log()
            .append(Topic::Leads, key::lead(lead), bytes, Ack::Durable);
        appended.await.unwrap();
    }

    /// Brings leads until there are none left, each until it has ended.
    async fn publish(&self, redis: &Redis) {
        loop {
            let n = self.next.fetch_add(1, Ordering::SeqCst);
            if n >= LEADS {
                return;
            }
            while !self.post(redis, n).await {
                sleep(AGAIN).await;
            }
            self.ended.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// One request; true once the lead has its answer.
    async fn post(&self, redis: &Redis, n: usize) -> bool {
        let auction = AuctionId::from_bytes(quote_of(n));
        let request = AdmitRequest {
            lead: LeadId::mint(wall(), &self.entropy),
            key: key_of(n),
            digest: [1; 32],
            quote: Some(auction),
            consumer: ConsumerClaim::default(),
            lease: Duration::from_millis(500),
            now: wall(),
        };
        match redis.claims().admit(request).await {
            Ok(Admission::Granted(lead)) => self.run(redis, n, lead).await,
            Ok(Admission::Held(view)) => view.answer.is_some(),
            Ok(other) => panic!("{other:?}"),
            Err(error @ (StoreError::Corrupt(_) | StoreError::Outdated(_))) => panic!("{error}"),
            Err(StoreError::Lost | StoreError::Unavailable(_)) => false,
        }
    }

    /// A router's part, in its order: what it may not do without a record it does behind it.
    async fn run(&self, redis: &Redis, n: usize, lead: LeadId) -> bool {
        let mut received = records::received(&key_of(n), &[1; 32]);
        if let LeadBody::Received(received) = &mut received {
            received.auction = quote_of(n).to_vec();
        }
        self.append(lead, 0, received).await;
        let one = Reservation {
            id: ReservationId { lead, leg: 1 },
            counters: vec![records::unit(&counter().to_string(), CAP)],
        };
        let now = wall();
        let held = redis
            .caps()
            .hold(&one, now, now.plus(Duration::from_secs(5)));
        if held.await != Ok(Held::Granted) {
            return self.end(redis, lead, None).await;
        }
        match redis.claims().posting(lead).await {
            Ok(PostingClaim::Yours) => {}
            // Somebody else's now: its publisher comes again.
            Ok(PostingClaim::Lost) => return false,
            Err(_) => {
                let _ = redis.caps().release(one.id, Usage::Nothing).await;
                return self.end(redis, lead, None).await;
            }
        }
        if redis.caps().pin(one.id, wall()).await != Ok(Pinned::Pinned) {
            let _ = redis.caps().release(one.id, Usage::Nothing).await;
            return self.end(redis, lead, None).await;
        }
        let out = self.out.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(out <= CAP, "{out} are out");
        let posting = records::posting(1, &one.counters, wall().plus(Duration::from_secs(30)));
        self.append(lead, 1, LeadBody::Posting(posting)).await;
        tokio::task::yield_now().await;
        let accepted = !self.steps.fetch_add(1, Ordering::SeqCst).is_multiple_of(7);
        if !accepted {
            self.out.fetch_sub(1, Ordering::SeqCst);
        }
        let ended = self.end(redis, lead, Some(accepted)).await;
        let usage = if accepted { Usage::Sold } else { Usage::Sent };
        let _ = redis.caps().settle(&one, usage).await;
        ended
    }

    /// The outcome, of a lead that was posted or was not.
    async fn end(&self, redis: &Redis, lead: LeadId, accepted: Option<bool>) -> bool {
        let (status, reason, replies) = match accepted {
            Some(true) => (
                LeadStatus::Sold,
                None,
                vec![records::reply(1, LegState::Accepted)],
            ),
            Some(false) => {
                let reply = records::reply(1, LegState::Rejected);
                (
                    LeadStatus::Unsold,
                    Some(LeadReason::AllRejected),
                    vec![reply],
                )
            }
            None => (
                LeadStatus::Unsold,
                Some(LeadReason::NoEligibleContract),
                Vec::new(),
            ),
        };
        let answer = answer_of(lead);
        self.append(lead, 2, records::outcome(status, reason, replies, &answer))
            .await;
        let _ = redis.claims().answered(lead, answer.into()).await;
        true
    }

    /// The worker: folds every record, and settles what has ended.
    async fn work(&self, redis: &Redis) {
        let mut consumer = self
            .log()
            .subscribe("worker", &[Topic::Leads])
            .await
            .unwrap();
        loop {
            let delivery = consumer.next(Duration::from_secs(1)).await.unwrap();
            let Some(Delivery::Records { records, .. }) = delivery else {
                continue;
            };
            for record in records {
                let read = LeadRecord::decode(record.payload.clone()).unwrap();
                while self.advance(redis, record.offset, &read).await.is_err() {
                    sleep(AGAIN).await;
                }
            }
        }
    }

    async fn advance(&self, redis: &Redis, at: u64, record: &LeadRecord) -> Result<(), StoreError> {
        let state = redis.claims().fold(at, record).await?.state;
        for leg in state.legs.iter().filter(|leg| !leg.contract.is_empty()) {
            if let Some(usage) = leg.usage()? {
                let reservation = leg.reservation(state.lead_id()?)?;
                redis.caps().settle(&reservation, usage).await?;
            }
        }
        Ok(())
    }

    /// What the log says, by the rule alone.
    async fn folded(&self) -> BTreeMap<LeadId, LeadState> {
        let mut leads: BTreeMap<LeadId, LeadState> = BTreeMap::new();
        let mut replay = self.log().replay(Topic::Leads).await.unwrap();
        while let Some((_, records)) = replay.next().await.unwrap() {
            for record in records {
                let read = LeadRecord::decode(record.payload.clone()).unwrap();
                let lead = read.lead_id().unwrap();
                let before = leads.remove(&lead);
                let (after, _) = fold::apply(before, record.offset, &read).unwrap();
                leads.insert(lead, after);
            }
        }
        leads
    }
}
