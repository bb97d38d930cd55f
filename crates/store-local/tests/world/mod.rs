//! What happens to a store in tests of what it keeps.

use std::time::Duration;

use domain::{
    AuctionId, Clock, LeadId, LeadStatus, LegState, Reservation, ReservationId, Timestamp,
};
use proto::LeadBody;
use store::{
    Ack, Admission, AdmitRequest, Against, Backend, Caps, ClaimKey, Claims, ConsumerClaim,
    DuplicateRule, EventLog, KeySet, Topic, key,
};
use store_local::{Local, LocalOptions, OnFailure};
use testkit::{FakeClock, SeededEntropy, records};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A store on files, and who sells leads on it.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: FakeClock,
    pub(crate) entropy: SeededEntropy,
    pub(crate) options: LocalOptions,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = LocalOptions {
            on_failure: OnFailure::Stop,
            reserve_bytes: 1 << 20,
            ..LocalOptions::in_dir(dir.path())
        };
        Self {
            dir,
            // Far ahead of the files' own times, which decide what is old enough to be cut.
            clock: FakeClock::new(Timestamp::from_micros(4_102_488_000_000_000)),
            entropy: SeededEntropy::new(5),
            options,
        }
    }

    pub(crate) fn open(&self) -> Local {
        Local::open(self.options.clone(), self.clock.port()).unwrap()
    }

    pub(crate) fn key(&self, n: u32) -> ClaimKey {
        ClaimKey(format!("pub/solar/post/{n}"))
    }

    /// The quote that a lead uses.
    pub(crate) fn quote(n: u32) -> AuctionId {
        let mut bytes = [7; 16];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        AuctionId::from_bytes(bytes)
    }

    /// Its consumer, of whom a second lead is a duplicate for ten days.
    pub(crate) fn consumer(n: u32) -> ConsumerClaim {
        let hashes = [0, 1].map(|form| {
            let mut hash = [form; 16];
            hash[..4].copy_from_slice(&n.to_be_bytes());
            hash
        });
        ConsumerClaim {
            campaign: "solar".into(),
            publisher: "pub".into(),
            hashes: hashes.to_vec(),
            rules: vec![DuplicateRule {
                keys: KeySet {
                    fields: vec![hashes.to_vec()],
                    all: false,
                },
                window: HOUR * 240,
                publisher: None,
                against: Against::Sold,
            }],
            remembered: HOUR * 240,
            patient: true,
            ..ConsumerClaim::default()
        }
    }

    /// What a publisher asks for with its n-th lead.
    pub(crate) fn request(&self, n: u32) -> AdmitRequest {
        let now = self.clock.wall();
        AdmitRequest {
            lead: LeadId::mint(now, &self.entropy),
            key: self.key(n),
            digest: [1; 32],
            quote: Some(Self::quote(n)),
            consumer: Self::consumer(n),
            lease: HOUR,
            now,
        }
    }

    /// A lead that is admitted, posted to one contract, and sold.
    pub(crate) async fn sell(&self, store: &Local, n: u32) -> (LeadId, Reservation) {
        let request = self.request(n);
        let (lead, now) = (request.lead, request.now);
        let received = self.received(&request);
        let admission = store.claims().admit(request).await.unwrap();
        assert!(matches!(admission, Admission::Granted(_)));
        let one = Reservation {
            id: ReservationId { lead, leg: 1 },
            counters: vec![
                records::unit("c:b/c/d1", 1000),
                records::unit("c:b/c/total", 1000),
            ],
        };
        store.claims().posting(lead).await.unwrap();
        let posting = records::posting(1, &one.counters, now.plus(HOUR));
        let replies = vec![records::reply(1, LegState::Accepted)];
        for body in [
            received,
            LeadBody::Posting(posting),
            records::outcome(LeadStatus::Sold, None, replies, b"sold"),
        ] {
            self.write(store, lead, body).await;
        }
        (lead, one)
    }

    /// What its router records of a lead first.
    fn received(&self, request: &AdmitRequest) -> LeadBody {
        let LeadBody::Received(mut received) = records::received(&request.key, &request.digest)
        else {
            unreachable!("it is one");
        };
        let consumer = &request.consumer;
        received.auction = request
            .quote
            .map_or(Vec::new(), |it| it.as_bytes().to_vec());
        received.consumers = consumer.hashes.iter().map(|hash| hash.to_vec()).collect();
        received.remembered_us = consumer.remembered.as_micros() as i64;
        LeadBody::Received(received)
    }

    pub(crate) async fn write(&self, store: &Local, lead: LeadId, body: LeadBody) {
        let record = records::record(lead, 0, self.clock.wall(), body);
        let bytes = records::bytes(&record);
        let appended = store
            .log()
            .append(Topic::Leads, key::lead(lead), bytes, Ack::Durable);
        appended.await.unwrap();
    }

    /// Some traffic, so that what is due is looked at.
    pub(crate) async fn traffic(&self, store: &Local) {
        for n in 1000..1020 {
            let request = self.request(n);
            let lead = request.lead;
            store.claims().admit(request).await.unwrap();
            store.claims().withdraw(lead).await.unwrap();
        }
    }

    pub(crate) async fn used(&self, store: &Local) -> Vec<i64> {
        let counters = ["c:b/c/d1", "c:b/c/total"].map(|name| name.parse().unwrap());
        store.caps().used(&counters).await.unwrap()
    }
}
