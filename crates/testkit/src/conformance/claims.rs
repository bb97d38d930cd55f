//! Claims.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{
    AuctionId, ContractReason, LeadId, LeadReason, LeadStatus, LegState, Settlement, Timestamp,
};
use proto::{Claim, LeadBody, LeadRecord, LegReply, Posting, Quoted};
use store::{
    Ack, Admission, AdmitRequest, Backend, ClaimKey, Claims, ConsumerClaim, Digest, EventLog,
    LeadView, Lookup, PostingClaim, Topic, fold, fold::Change, fold::Due, key,
};
use tokio::task::JoinSet;

use super::{Harness, SOON};
use crate::records;

const LEASE: Duration = Duration::from_secs(40);
const DIGEST: Digest = [1; 32];
const OTHER: Digest = [2; 32];

fn name(text: &str) -> ClaimKey {
    ClaimKey(format!("pub/solar/post/{text}"))
}

fn lead<H: Harness>(harness: &H) -> LeadId {
    LeadId::mint(harness.now(), harness.entropy())
}

fn request<H: Harness>(harness: &H, lead: LeadId, key: &str) -> AdmitRequest {
    AdmitRequest {
        lead,
        key: name(key),
        digest: DIGEST,
        quote: None,
        consumer: ConsumerClaim::default(),
        lease: LEASE,
        now: harness.now(),
    }
}

async fn admit<H: Harness>(harness: &H, request: AdmitRequest) -> Admission {
    harness.store().claims().admit(request).await.unwrap()
}

/// Admits a fresh lead under a key.
async fn admitted<H: Harness>(harness: &H, key: &str) -> LeadId {
    let lead = lead(harness);
    let admission = admit(harness, request(harness, lead, key)).await;
    assert!(
        matches!(admission, Admission::Granted(id) if id == lead),
        "{admission:?}"
    );
    lead
}

async fn lookup<H: Harness>(harness: &H, key: &str, digest: &Digest) -> Lookup {
    let claims = harness.store().claims();
    claims.lookup(&name(key), digest).await.unwrap()
}

async fn view<H: Harness>(harness: &H, lead: LeadId) -> LeadView {
    harness.store().claims().lead(lead).await.unwrap().unwrap()
}

/// Appends a record as a router does, and folds it as the worker does.
async fn written<H: Harness>(harness: &H, lead: LeadId, body: LeadBody) -> Vec<Change> {
    let record = records::record(lead, 0, harness.now(), body);
    let position = appended(harness, key::lead(lead), &record).await;
    let claims = harness.store().claims();
    claims.fold(position, &record).await.unwrap().changes
}

async fn appended<H: Harness>(harness: &H, key: u64, record: &LeadRecord) -> u64 {
    let log = harness.store().log();
    let bytes: Bytes = records::bytes(record);
    let appended = log.append(Topic::Leads, key, bytes, Ack::Durable).await;
    appended.unwrap().offset
}

fn post(leg: u16, at: Timestamp) -> Posting {
    let unit = records::unit(&format!("c:b/contract-{leg}/total"), 10);
    records::posting(leg, &[unit], at.plus(Duration::from_secs(30)))
}

fn posting(at: Timestamp) -> LeadBody {
    LeadBody::Posting(post(1, at))
}

/// What time may have to end, of all partitions.
async fn open<H: Harness>(harness: &H) -> Vec<LeadId> {
    let claims = harness.store().claims();
    let mut open = Vec::new();
    for partition in 0..harness.store().log().ends(Topic::Leads).len() {
        let of_partition = claims.open(partition as u16).await.unwrap();
        assert!(of_partition.is_sorted_by_key(|state| state.received_at_us));
        open.extend(of_partition.iter().map(|state| state.lead_id().unwrap()));
    }
    open
}

fn sold(answer: &[u8]) -> LeadBody {
    let replies = vec![records::reply(1, LegState::Accepted)];
    records::outcome(LeadStatus::Sold, None, replies, answer)
}

/// The first gets the key, who comes later gets the first one's lead.
pub async fn a_key_is_claimed_once<H: Harness>(harness: &mut H) {
    assert!(matches!(lookup(harness, "k", &DIGEST).await, Lookup::Free));
    let first = admitted(harness, "k").await;
    let second = request(harness, lead(harness), "k");
    let admission = admit(harness, second).await;
    assert!(
        matches!(&admission, Admission::Held(view) if view.lead == first),
        "{admission:?}"
    );
    let found = lookup(harness, "k", &DIGEST).await;
    assert!(
        matches!(&found, Lookup::Lead(view) if view.lead == first),
        "{found:?}"
    );
    // Asking again for what one's own lead holds succeeds.
    let again = admit(harness, request(harness, first, "k")).await;
    assert!(
        matches!(again, Admission::Granted(id) if id == first),
        "{again:?}"
    );
}

/// The same key with another body is nobody's retry.
pub async fn another_body_is_a_conflict<H: Harness>(harness: &mut H) {
    admitted(harness, "k").await;
    let other = AdmitRequest {
        digest: OTHER,
        ..request(harness, lead(harness), "k")
    };
    assert!(matches!(admit(harness, other).await, Admission::Conflict));
    assert!(matches!(
        lookup(harness, "k", &OTHER).await,
        Lookup::Conflict
    ));
}

/// A second post from one quote is refused, and leaves no claim.
pub async fn a_quote_is_used_once<H: Harness>(harness: &mut H) {
    let auction = AuctionId::mint(harness.now(), harness.entropy());
    let with_quote = |key| AdmitRequest {
        quote: Some(auction),
        ..request(harness, lead(harness), key)
    };
    let first = with_quote("a");
    assert!(matches!(
        admit(harness, first.clone()).await,
        Admission::Granted(_)
    ));
    assert!(matches!(
        admit(harness, with_quote("b")).await,
        Admission::QuoteUsed
    ));
    assert!(matches!(lookup(harness, "b", &DIGEST).await, Lookup::Free));
    assert!(matches!(admit(harness, first).await, Admission::Granted(_)));
}

/// However many come at once, one is granted and all others are told its lead.
pub async fn many_requests_with_one_key_are_one_lead<H: Harness>(harness: &mut H) {
    for key in ["a", "b", "c", "d"] {
        let mut racing = JoinSet::new();
        for _ in 0..32 {
            let request = request(harness, lead(harness), key);
            let store = harness.store().clone();
            racing.spawn(async move { store.claims().admit(request).await.unwrap() });
        }
        let mut granted = Vec::new();
        let mut held = Vec::new();
        for admission in racing.join_all().await {
            match admission {
                Admission::Granted(lead) => granted.push(lead),
                Admission::Held(view) => held.push(view.lead),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((granted.len(), held.len()), (1, 31));
        assert!(held.iter().all(|lead| *lead == granted[0]));
    }
}

/// A request that meets an admission whose lease has lapsed goes on with it, once per lease.
pub async fn a_lapsed_admission_is_taken_over_under_its_id<H: Harness>(harness: &mut H) {
    let first = admitted(harness, "k").await;
    harness.advance(LEASE - Duration::from_secs(1)).await;
    let early = admit(harness, request(harness, lead(harness), "k")).await;
    assert!(matches!(early, Admission::Held(_)), "{early:?}");
    harness.advance(Duration::from_secs(2)).await;
    let taken = admit(harness, request(harness, lead(harness), "k")).await;
    assert!(
        matches!(taken, Admission::Granted(id) if id == first),
        "{taken:?}"
    );
    let next = admit(harness, request(harness, lead(harness), "k")).await;
    assert!(
        matches!(next, Admission::Held(_)),
        "a take-over has a lease of its own: {next:?}"
    );
    // Of the two that think it theirs one may post.
    let claims = harness.store().claims();
    assert_eq!(claims.posting(first).await, Ok(PostingClaim::Yours));
    assert_eq!(claims.posting(first).await, Ok(PostingClaim::Lost));
}

/// Once a post may have left, no time makes it somebody else's.
pub async fn a_posting_is_never_taken_over<H: Harness>(harness: &mut H) {
    let first = admitted(harness, "k").await;
    let claims = harness.store().claims();
    assert_eq!(claims.posting(first).await, Ok(PostingClaim::Yours));
    harness.advance(LEASE * 3).await;
    let late = admit(harness, request(harness, lead(harness), "k")).await;
    assert!(
        matches!(&late, Admission::Held(view) if view.lead == first),
        "{late:?}"
    );
    let claims = harness.store().claims();
    assert_eq!(claims.close(first, harness.now()).await, Ok(false));
}

/// Of the worker that closes and the router that posts one wins, and not before the lease ends.
pub async fn closing_and_posting_exclude_each_other<H: Harness>(harness: &mut H) {
    let early = admitted(harness, "early").await;
    let claims = harness.store().claims();
    assert_eq!(claims.close(early, harness.now()).await, Ok(false));
    let mut leads = Vec::new();
    for n in 0..50 {
        leads.push(admitted(harness, &n.to_string()).await);
    }
    harness.advance(LEASE * 2).await;
    let now = harness.now();
    for lead in leads {
        let (router, worker) = (harness.store().clone(), harness.store().clone());
        let mut racing = JoinSet::new();
        racing.spawn(
            async move { router.claims().posting(lead).await.unwrap() == PostingClaim::Yours },
        );
        racing.spawn(async move { worker.claims().close(lead, now).await.unwrap() });
        let won = racing.join_all().await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{lead}");
    }
}

/// What the log refused can be claimed again, the quote too.
pub async fn a_withdrawn_admission_leaves_nothing<H: Harness>(harness: &mut H) {
    let auction = AuctionId::mint(harness.now(), harness.entropy());
    let with_quote = AdmitRequest {
        quote: Some(auction),
        ..request(harness, lead(harness), "k")
    };
    admit(harness, with_quote.clone()).await;
    let claims = harness.store().claims();
    claims.withdraw(with_quote.lead).await.unwrap();
    assert!(matches!(lookup(harness, "k", &DIGEST).await, Lookup::Free));
    let second = AdmitRequest {
        lead: lead(harness),
        ..with_quote
    };
    let fresh = second.lead;
    let admission = admit(harness, second).await;
    assert!(
        matches!(admission, Admission::Granted(id) if id == fresh),
        "{admission:?}"
    );
}

/// The stored bytes come back as they are; a later answer does not replace them.
pub async fn an_answer_is_replayed_byte_for_byte<H: Harness>(harness: &mut H) {
    let lead = admitted(harness, "k").await;
    let claims = harness.store().claims();
    assert!(view(harness, lead).await.answer.is_none());
    claims.posting(lead).await.unwrap();
    let answer: Arc<[u8]> = vec![0, 159, 146, 150, 255].into();
    claims.answered(lead, Arc::clone(&answer)).await.unwrap();
    claims.answered(lead, vec![9].into()).await.unwrap();
    let found = lookup(harness, "k", &DIGEST).await;
    assert!(
        matches!(&found, Lookup::Lead(view) if view.answer.as_ref() == Some(&answer)),
        "{found:?}"
    );
}

/// A lead that was settled while its router was silent has the fold's answer, not the router's.
pub async fn an_answer_after_a_settlement_is_not_kept<H: Harness>(harness: &mut H) {
    let lead = admitted(harness, "k").await;
    let claims = harness.store().claims();
    claims.posting(lead).await.unwrap();
    for body in [
        records::received(&name("k"), &DIGEST),
        posting(harness.now()),
        records::lapsed(1),
        records::settled(1, false, 1),
    ] {
        written(harness, lead, body).await;
    }
    let answer: Arc<[u8]> = b"sold".as_slice().into();
    claims.answered(lead, Arc::clone(&answer)).await.unwrap();
    written(harness, lead, sold(&answer)).await;
    claims.answered(lead, answer).await.unwrap();
    let view = view(harness, lead).await;
    assert!(view.answer.is_none());
    let status = view.state.unwrap().lead_status();
    assert_eq!(status, Ok(LeadStatus::Unsold));
}

/// A record that is delivered again gives the same state and no changes.
pub async fn folding_twice_changes_once<H: Harness>(harness: &mut H) {
    let lead = admitted(harness, "k").await;
    let claims = harness.store().claims();
    claims.posting(lead).await.unwrap();
    let mut folded = Vec::new();
    for body in [
        records::received(&name("k"), &DIGEST),
        posting(harness.now()),
        sold(b"yes"),
    ] {
        let record = records::record(lead, 0, harness.now(), body);
        let offset = appended(harness, key::lead(lead), &record).await;
        let first = claims.fold(offset, &record).await.unwrap();
        assert!(!first.changes.is_empty());
        folded.push((offset, record));
    }
    let state = view(harness, lead).await.state.unwrap();
    for (offset, record) in &folded {
        let again = claims.fold(*offset, record).await.unwrap();
        assert_eq!(again.changes, []);
        assert_eq!(again.state, state);
    }
    assert_eq!(state.lead_status(), Ok(LeadStatus::Sold));
    assert_eq!(
        view(harness, lead).await.answer.as_deref(),
        Some(b"yes".as_slice())
    );
}

/// What time may have to end, and nothing else.
pub async fn open_leads_are_listed_oldest_first<H: Harness>(harness: &mut H) {
    let mut leads = Vec::new();
    for n in 0..6 {
        let lead = admitted(harness, &n.to_string()).await;
        written(
            harness,
            lead,
            records::received(&name(&n.to_string()), &DIGEST),
        )
        .await;
        leads.push(lead);
        harness.advance(Duration::from_millis(5)).await;
    }
    for lead in leads.drain(..2) {
        written(harness, lead, posting(harness.now())).await;
        written(harness, lead, sold(b"yes")).await;
    }
    let mut open = open(harness).await;
    open.sort();
    leads.sort();
    assert_eq!(open, leads);
}

/// A lead whose buyer will say later is open until that is settled. One that went on to another buyer has
/// ended, and what the first one says then is late. A restart changes nothing of it.
pub async fn pending_and_abandoned_legs_survive<H: Harness>(harness: &mut H) {
    let now = harness.now();
    let by = now.plus(Duration::from_secs(60));
    let waits = admitted(harness, "waits").await;
    let doubt = Some(LeadReason::InDoubt);
    for body in [
        records::received(&name("waits"), &DIGEST),
        posting(now),
        records::outcome(
            LeadStatus::Pending,
            doubt,
            vec![records::pending(1, by, true)],
            b"",
        ),
    ] {
        written(harness, waits, body).await;
    }
    let went_on = admitted(harness, "went on").await;
    let abandoned = LegReply {
        reason: ContractReason::Abandoned.to_string(),
        ..records::reply(1, LegState::Rejected)
    };
    let second = Posting {
        replies: vec![abandoned],
        ..post(2, now)
    };
    let accepted = vec![records::reply(2, LegState::Accepted)];
    for body in [
        records::received(&name("went on"), &DIGEST),
        posting(now),
        LeadBody::Posting(second),
        records::outcome(LeadStatus::Sold, None, accepted, b"yes"),
    ] {
        written(harness, went_on, body).await;
    }
    for restarted in [false, true] {
        if restarted && !harness.reopen().await {
            break;
        }
        assert_eq!(open(harness).await, [waits]);
        let state = view(harness, waits).await.state.unwrap();
        let due = |at| fold::due(&state, at);
        assert_eq!(due(by.minus(Duration::from_micros(1))), Ok(Due::Nothing));
        assert_eq!(due(by), Ok(Due::Settle(1, Settlement::Accepted)));
    }
    let late = written(harness, went_on, records::settled(1, true, 1)).await;
    assert_eq!(late, [Change::LateAccept(1), Change::SettlementRefused(1)]);
    let settled = written(harness, waits, records::settled(1, true, 2)).await;
    assert!(
        settled.contains(&Change::Status(LeadStatus::Sold)),
        "{settled:?}"
    );
    assert_eq!(open(harness).await, []);
}

/// An answer wakes who waits for it, and so does a fold.
pub async fn who_waits_is_woken<H: Harness>(harness: &mut H) {
    let lead = admitted(harness, "k").await;
    let waiting = |seen: LeadView| {
        let mut waiting = JoinSet::new();
        for _ in 0..8 {
            let (store, seen) = (harness.store().clone(), seen.clone());
            waiting.spawn(async move { store.claims().changed(&seen, SOON).await.unwrap() });
        }
        waiting
    };
    let before = view(harness, lead).await;
    let folded = waiting(before);
    written(harness, lead, records::received(&name("k"), &DIGEST)).await;
    for view in folded.join_all().await {
        assert!(view.unwrap().state.is_some());
    }
    let before = view(harness, lead).await;
    let answered = waiting(before.clone());
    let claims = harness.store().claims();
    claims.posting(lead).await.unwrap();
    claims
        .answered(lead, b"yes".as_slice().into())
        .await
        .unwrap();
    for view in answered.join_all().await {
        assert_eq!(view.unwrap().answer.as_deref(), Some(b"yes".as_slice()));
    }
    // Who comes late does not wait.
    let late = claims.changed(&before, SOON).await.unwrap().unwrap();
    assert!(late.answer.is_some());
}

/// An answer that was seen is no news, and a lead that does not change ends the wait.
pub async fn a_wait_for_nothing_ends<H: Harness>(harness: &mut H) {
    let lead = admitted(harness, "k").await;
    let claims = harness.store().claims();
    claims
        .answered(lead, b"yes".as_slice().into())
        .await
        .unwrap();
    let seen = view(harness, lead).await;
    let view = claims
        .changed(&seen, Duration::from_millis(10))
        .await
        .unwrap();
    assert_eq!(view.unwrap().answer, seen.answer);
    let unknown = LeadView {
        lead: self::lead(harness),
        state: None,
        answer: None,
    };
    assert!(claims.changed(&unknown, SOON).await.unwrap().is_none());
}

/// Keys, quotes, answers and states are rebuilt from the records.
pub async fn claims_survive<H: Harness>(harness: &mut H) {
    let auction = AuctionId::mint(harness.now(), harness.entropy());
    let sold_lead = admitted(harness, "sold").await;
    let mut body = records::received(&name("sold"), &DIGEST);
    if let LeadBody::Received(received) = &mut body {
        received.auction = auction.as_bytes().to_vec();
    }
    let claims = harness.store().claims();
    claims.posting(sold_lead).await.unwrap();
    written(harness, sold_lead, body).await;
    written(harness, sold_lead, posting(harness.now())).await;
    written(harness, sold_lead, sold(b"exactly this")).await;
    let posted = admitted(harness, "posted").await;
    written(harness, posted, records::received(&name("posted"), &DIGEST)).await;
    written(harness, posted, posting(harness.now())).await;
    let quoted = LeadBody::Quoted(Quoted {
        claim: Some(Claim {
            key: name("p").0,
            digest: DIGEST.to_vec(),
        }),
        answer: b"a quote".to_vec(),
        ..Quoted::default()
    });
    let mut record = records::record(sold_lead, 0, harness.now(), quoted);
    record.subject = auction.as_bytes().to_vec();
    appended(harness, key::auction(auction), &record).await;
    let before = view(harness, sold_lead).await;

    if !harness.reopen().await {
        return;
    }
    let after = view(harness, sold_lead).await;
    assert_eq!(after.answer.as_deref(), Some(b"exactly this".as_slice()));
    assert_eq!(after.state, before.state);
    let found = lookup(harness, "sold", &DIGEST).await;
    assert!(
        matches!(&found, Lookup::Lead(view) if view.lead == sold_lead),
        "{found:?}"
    );
    assert!(matches!(
        lookup(harness, "sold", &OTHER).await,
        Lookup::Conflict
    ));
    let found = lookup(harness, "p", &DIGEST).await;
    assert!(
        matches!(&found, Lookup::Quote(answer) if **answer == *b"a quote"),
        "{found:?}"
    );
    let again = AdmitRequest {
        quote: Some(auction),
        ..request(harness, lead(harness), "another key")
    };
    assert!(matches!(admit(harness, again).await, Admission::QuoteUsed));
    let posted_again = admit(harness, request(harness, lead(harness), "posted")).await;
    assert!(matches!(&posted_again, Admission::Held(view) if view.lead == posted));
    assert_eq!(
        harness.store().claims().posting(posted).await,
        Ok(PostingClaim::Lost)
    );
}

/// An admission with no post whose process is gone is taken over, or closed, at once.
pub async fn a_killed_router_loses_its_lease<H: Harness>(harness: &mut H) {
    let (one, two) = (
        admitted(harness, "one").await,
        admitted(harness, "two").await,
    );
    for (lead, key) in [(one, "one"), (two, "two")] {
        written(harness, lead, records::received(&name(key), &DIGEST)).await;
    }
    if !harness.reopen().await {
        return;
    }
    let taken = admit(harness, request(harness, lead(harness), "one")).await;
    assert!(
        matches!(taken, Admission::Granted(id) if id == one),
        "{taken:?}"
    );
    let claims = harness.store().claims();
    assert_eq!(claims.close(one, harness.now()).await, Ok(false));
    assert_eq!(claims.close(two, harness.now()).await, Ok(true));
    assert_eq!(claims.posting(two).await, Ok(PostingClaim::Lost));
    written(harness, two, records::interrupted()).await;
    let state = view(harness, two).await.state.unwrap();
    assert_eq!(state.lead_reason(), Ok(Some(LeadReason::Interrupted)));
}
