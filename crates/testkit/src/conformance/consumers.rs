//! Consumers at the fence: one lead in flight, duplicates, and what is remembered.

use std::time::Duration;

use domain::{LeadId, LeadReason, LeadStatus, LegState};
use proto::LeadBody;
use store::{
    Ack, Admission, AdmitRequest, Against, Backend, ClaimKey, Claims, ConsumerClaim, DuplicateRule,
    EventLog, KeySet, LeadView, Standing, Topic, key,
};
use tokio::task::JoinSet;

use super::{Harness, SOON};
use crate::records;

const PHONE: [u8; 16] = [1; 16];
const MD5: [u8; 16] = [2; 16];
const EMAIL: [u8; 16] = [3; 16];
const HOUR: Duration = Duration::from_secs(3600);
const WINDOW: Duration = Duration::from_secs(30 * 86_400);

fn name(text: &str) -> ClaimKey {
    ClaimKey(format!("pub/solar/post/{text}"))
}

/// A lead that is known by a number and its hash, under a rule over the hash and the address.
fn request<H: Harness>(harness: &H, key: &str) -> AdmitRequest {
    AdmitRequest {
        lead: LeadId::mint(harness.now(), harness.entropy()),
        key: name(key),
        digest: [1; 32],
        quote: None,
        consumer: ConsumerClaim {
            campaign: "solar".to_owned(),
            publisher: "pub".to_owned(),
            hashes: vec![PHONE, MD5],
            rules: vec![DuplicateRule {
                keys: KeySet {
                    fields: vec![vec![MD5], vec![EMAIL]],
                    all: false,
                },
                window: WINDOW,
                publisher: None,
                against: Against::Sold,
            }],
            locks: Vec::new(),
            remembered: WINDOW,
            patient: true,
        },
        lease: HOUR,
        now: harness.now(),
    }
}

async fn admit<H: Harness>(harness: &H, request: &AdmitRequest) -> Admission {
    let claims = harness.store().claims();
    claims.admit(request.clone()).await.unwrap()
}

async fn granted<H: Harness>(harness: &H, key: &str) -> LeadId {
    let request = request(harness, key);
    let admission = admit(harness, &request).await;
    assert!(
        matches!(admission, Admission::Granted(lead) if lead == request.lead),
        "{admission:?}"
    );
    request.lead
}

async fn written<H: Harness>(harness: &H, lead: LeadId, n: u32, body: LeadBody) {
    let record = records::record(lead, n, harness.now(), body);
    let bytes = records::bytes(&record);
    let log = harness.store().log();
    let appended = log.append(Topic::Leads, key::lead(lead), bytes, Ack::Durable);
    let offset = appended.await.unwrap().offset;
    let claims = harness.store().claims();
    claims.fold(offset, &record).await.unwrap();
}

/// Takes an admitted lead to its end, as a router writes it and the worker folds it.
async fn ended<H: Harness>(harness: &H, lead: LeadId, key: &str, sold: bool) {
    let mut body = records::received(&name(key), &[1; 32]);
    if let LeadBody::Received(received) = &mut body {
        received.consumers = vec![PHONE.to_vec(), MD5.to_vec()];
        received.remembered_us = i64::try_from(WINDOW.as_micros()).unwrap();
    }
    harness.store().claims().posting(lead).await.unwrap();
    written(harness, lead, 0, body).await;
    let unit = records::unit("c:b/contract-1/total", 10);
    let posting = records::posting(1, &[unit], harness.now().plus(HOUR));
    written(harness, lead, 1, LeadBody::Posting(posting)).await;
    let (state, status, reason) = match sold {
        true => (LegState::Accepted, LeadStatus::Sold, None),
        false => (
            LegState::Rejected,
            LeadStatus::Unsold,
            Some(LeadReason::AllRejected),
        ),
    };
    let replies = vec![records::reply(1, state)];
    let outcome = records::outcome(status, reason, replies, b"answer");
    written(harness, lead, 2, outcome).await;
}

fn is_duplicate(admission: &Admission) -> bool {
    matches!(admission, Admission::Duplicate(_))
}

/// Of many leads of one consumer at once one goes on; the others hear of it, wait, and are told by its
/// end: a sold one makes them duplicates, an unsold one lets the next one in.
pub async fn one_lead_of_a_consumer_is_in_flight<H: Harness>(harness: &mut H) {
    let mut racing = JoinSet::new();
    for n in 0..16 {
        let (store, request) = (harness.store().clone(), request(harness, &n.to_string()));
        racing.spawn(async move {
            let admission = store.claims().admit(request.clone()).await.unwrap();
            (n, request, admission)
        });
    }
    let (mut first, mut others) = (None, Vec::new());
    while let Some(raced) = racing.join_next().await {
        match raced.unwrap() {
            (n, request, Admission::Granted(_)) => {
                assert_eq!(first.replace((n, request.lead)), None);
            }
            (_, request, Admission::Busy(view)) => others.push((request, view)),
            (_, _, other) => panic!("{other:?}"),
        }
    }
    let (n, first) = first.unwrap();
    assert!(others.iter().all(|(_, view)| view.lead == first));
    let seen: LeadView = others[0].1.clone();
    let store = harness.store().clone();
    let mut waits = JoinSet::new();
    waits.spawn(async move { store.claims().changed(&seen, SOON).await });
    ended(harness, first, &n.to_string(), false).await;
    let woken = waits.join_next().await.unwrap().unwrap();
    assert!(woken.unwrap().is_some());
    let (second, _) = &others[0];
    let admission = admit(harness, second).await;
    assert!(matches!(admission, Admission::Granted(_)), "{admission:?}");
    // Who does not wait takes it for one that may yet be sold.
    let mut hasty = others[1].0.clone();
    hasty.consumer.patient = false;
    assert!(is_duplicate(&admit(harness, &hasty).await));
    let ClaimKey(key) = &second.key;
    ended(harness, second.lead, key.rsplit('/').next().unwrap(), true).await;
    assert!(is_duplicate(&admit(harness, &others[2].0).await));
}

/// A duplicate is a lead of its own under its key, and nothing that a later one is measured by.
pub async fn a_duplicate_holds_its_key_and_no_consumer<H: Harness>(harness: &mut H) {
    let sold = granted(harness, "sold").await;
    ended(harness, sold, "sold", true).await;
    let again = request(harness, "again");
    assert!(is_duplicate(&admit(harness, &again).await));
    assert!(is_duplicate(&admit(harness, &again).await), "and again");
    let elsewhere = {
        let mut request = request(harness, "elsewhere");
        request.consumer.campaign = "roofs".to_owned();
        request
    };
    let admission = admit(harness, &elsewhere).await;
    assert!(matches!(admission, Admission::Granted(_)), "{admission:?}");
    let claims = harness.store().claims();
    let earlier = claims.earlier("solar", &[MD5]).await.unwrap();
    assert_eq!(earlier.len(), 1, "{earlier:?}");
    assert_eq!(earlier[0].lead, sold);
    assert_eq!(earlier[0].standing, Standing::Sold);
    assert_eq!(earlier[0].buyers, ["buyer-1"]);
    assert_eq!(claims.earlier("solar", &[EMAIL]).await.unwrap(), []);
}

/// What the log refused is nobody's lead, and a claim without a record holds only as long as its lease.
pub async fn a_consumer_is_let_go_with_its_claim<H: Harness>(harness: &mut H) {
    let first = granted(harness, "first").await;
    let claims = harness.store().claims();
    claims.withdraw(first).await.unwrap();
    granted(harness, "second").await;
    let third = request(harness, "third");
    assert!(matches!(admit(harness, &third).await, Admission::Busy(_)));
    harness.advance(HOUR * 2).await;
    granted(harness, "fourth").await;
}

/// A lead that may be with a buyer is in the way of others however long its records are under way.
pub async fn who_posts_holds_its_consumer_past_its_lease<H: Harness>(harness: &mut H) {
    let first = granted(harness, "first").await;
    harness.store().claims().posting(first).await.unwrap();
    harness.advance(HOUR * 2).await;
    let admission = admit(harness, &request(harness, "second")).await;
    let held = |view: &LeadView| view.lead == first;
    assert!(
        matches!(&admission, Admission::Busy(view) if held(view)),
        "{admission:?}"
    );
}

/// Who comes back for a lead whose lease has lapsed finds those that were let in meanwhile.
pub async fn a_lead_that_is_taken_over_is_judged_anew<H: Harness>(harness: &mut H) {
    let first = granted(harness, "first").await;
    harness.advance(HOUR * 2).await;
    let second = granted(harness, "second").await;
    let again = request(harness, "first");
    let admission = admit(harness, &again).await;
    assert!(
        matches!(&admission, Admission::Busy(view) if view.lead == second),
        "{admission:?}"
    );
    ended(harness, second, "second", true).await;
    let admission = admit(harness, &again).await;
    assert!(
        matches!(admission, Admission::Duplicate(lead) if lead == first),
        "{admission:?}"
    );
    // It is nothing that a later one is measured by.
    let claims = harness.store().claims();
    let earlier = claims.earlier("solar", &[MD5]).await.unwrap();
    let leads: Vec<LeadId> = earlier.iter().map(|earlier| earlier.lead).collect();
    assert_eq!(leads, [second]);
}

/// Consumers outlive the process, and the day for which their leads are kept, until their window ends.
pub async fn consumers_survive<H: Harness>(harness: &mut H) {
    let sold = granted(harness, "sold").await;
    ended(harness, sold, "sold", true).await;
    harness.reopen().await;
    for (days, key) in [(0, "soon"), (2, "in two days"), (27, "in a month")] {
        harness.advance(HOUR * 24 * days).await;
        let again = request(harness, key);
        let admission = admit(harness, &again).await;
        assert!(is_duplicate(&admission), "{key}: {admission:?}");
    }
    harness.advance(HOUR * 24 * 2).await;
    granted(harness, "past the window").await;
}
