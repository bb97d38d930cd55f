//! A publisher's request and the router that serves it, with gates where a process can die.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use domain::{
    LeadId, LeadReason, LeadStatus, LegState, Reservation, ReservationId, Timestamp, Usage,
};
use proto::{LeadBody, LegReply, Quoted};
use store::{
    Ack, Admission, AdmitRequest, Backend, Caps, ClaimKey, Claims, ConsumerClaim, Digest, EventLog,
    Held, Pinned, PostingClaim, Topic, key,
};

use super::gate::{Gate, Task};
use super::model::{CONTRACTS, Model, Reply};
use super::people;
use crate::records;

const HOLD: Duration = Duration::from_secs(20);
const LEASE: Duration = Duration::from_secs(40);
/// How long a buyer is waited for.
const REPLY: Duration = Duration::from_secs(30);
const MOST_LEGS: u16 = 3;

/// A publisher posts under one of its keys: a new lead, or one it has posted before.
pub(super) fn start<B: Backend>(store: B, model: Rc<Model>) -> Task {
    let number = model.entropy.below(model.plan.keys);
    let key = ClaimKey(format!("{}/solar/post/{number}", people::publisher(number)));
    let consumer = people::consumer(number, model.plan.persons);
    let lead = LeadId::mint(model.now(), &*model.entropy);
    Task::new(|gate| async move {
        let model_now = model.now();
        let mut router = Router {
            store,
            model,
            gate,
            key,
            consumer,
            lead,
            n: 0,
            refused: None,
            admitted: model_now,
            until: model_now.plus(LEASE),
            taken_over: false,
        };
        router.serve().await;
    })
}

struct Router<B> {
    store: B,
    model: Rc<Model>,
    gate: Gate,
    key: ClaimKey,
    consumer: ConsumerClaim,
    lead: LeadId,
    n: u32,
    /// Not sold, and not yet on record as not sold.
    refused: Option<(Reservation, Usage)>,
    admitted: Timestamp,
    /// The lead is taken over, or a leg of it given up, no earlier than this.
    until: Timestamp,
    /// Another router may have recorded an outcome of it, so that the fold alone knows the answer.
    taken_over: bool,
}

impl<B: Backend> Router<B> {
    async fn serve(&mut self) {
        let digest = [self.key.0.len() as u8; 32];
        let (lead, duplicate) = match self.fence(digest).await {
            Admission::Granted(lead) => (lead, false),
            Admission::Duplicate(lead) => (lead, true),
            Admission::Held(view) => {
                return self
                    .model
                    .told(&self.key, view.lead, view.answer.as_deref());
            }
            other => panic!("{other:?}"),
        };
        self.taken_over = lead != self.lead;
        let taken_over = u64::from(self.taken_over);
        self.model.count(|tally| tally.taken_over += taken_over);
        self.lead = lead;
        self.gate.pass().await;
        let mut received = records::received(&self.key, &digest);
        if !duplicate {
            people::received(&mut received, &self.consumer);
        }
        self.record(received).await;
        self.model.claimed(&self.key, self.lead);
        self.gate.pass().await;
        let ended = match duplicate {
            true => {
                let reason = Some(LeadReason::Duplicate);
                Some(self.ended(LeadStatus::Duplicate, reason, Vec::new()))
            }
            false => self.ladder().await,
        };
        let Some((outcome, answer)) = ended else {
            return;
        };
        self.gate.pass().await;
        self.record(outcome).await;
        self.give_back().await;
        self.gate.pass().await;
        let mine = self.is_in_time() && !self.taken_over;
        if let Some(answer) = answer.filter(|_| mine) {
            let answered = self.store.claims().answered(self.lead, answer).await;
            answered.unwrap();
            self.gate.pass().await;
        }
        let view = self.store.claims().lead(self.lead).await.unwrap();
        let answer = view.and_then(|view| view.answer);
        self.model.told(&self.key, self.lead, answer.as_deref());
    }

    /// Appends a record of the lead and waits until it is durable; the process may die in between.
    async fn record(&mut self, body: LeadBody) {
        let record = records::record(self.lead, self.n, self.model.now(), body);
        self.n += 1;
        let bytes = records::bytes(&record);
        let key = key::lead(self.lead);
        if self.model.entropy.one_in(4) {
            self.evidence(key);
        }
        let log = self.store.log();
        let appended = log.append(Topic::Leads, key, bytes.clone(), Ack::Durable);
        let appended = begun(appended).await;
        self.model.queued();
        self.gate.pass().await;
        self.model.acknowledged(appended.await.unwrap(), bytes);
    }

    /// Asks to be admitted; waits a while for another lead of the same person, and then takes it for one
    /// that may yet be sold.
    async fn fence(&mut self, digest: Digest) -> Admission {
        let mut patience = self.model.entropy.below(8);
        loop {
            let now = self.model.now();
            let request = AdmitRequest {
                lead: self.lead,
                key: self.key.clone(),
                digest,
                quote: None,
                consumer: ConsumerClaim {
                    patient: patience > 0,
                    ..self.consumer.clone()
                },
                lease: LEASE,
                now,
            };
            let said = self.store.claims().admit(request.clone()).await.unwrap();
            self.model.people.judged(&request, now, &said);
            if !matches!(said, Admission::Busy(_)) {
                (self.admitted, self.until) = (now, now.plus(LEASE));
                return said;
            }
            self.model.count(|tally| tally.waits += 1);
            patience = patience.saturating_sub(1);
            self.gate.pass().await;
        }
    }

    /// A quote is evidence: a power cut may take it.
    fn evidence(&self, key: u64) {
        let quoted = LeadBody::Quoted(Quoted::default());
        let record = records::record(self.lead, 0, self.model.now(), quoted);
        let bytes: Bytes = records::bytes(&record);
        let log = self.store.log();
        // Nobody waits for it.
        drop(log.append(Topic::Leads, key, bytes, Ack::Kernel));
        self.model.queued();
    }

    /// Has the reply and says nothing until others have given the leg up, and perhaps settled it.
    async fn stall(&self) {
        self.model.clock.advance(REPLY * 2);
        for _ in 0..self.model.entropy.below(80) {
            self.gate.pass().await;
            let view = self.store.claims().lead(self.lead).await.unwrap();
            let state = view.and_then(|view| view.state);
            let settled = state.is_some_and(|state| !state.settled.is_empty());
            if settled {
                return;
            }
        }
    }

    /// Whether nobody can have taken the lead over or given a leg up yet. Past it only the fold knows how the lead ends, and
    /// the router keeps its hands off.
    fn is_in_time(&self) -> bool {
        self.model.now() <= self.until
    }

    /// Releases the leg that was refused, now that a record says so. Earlier, a crash would bring its
    /// pin back after somebody else had taken the place.
    async fn give_back(&mut self) {
        let in_time = self.is_in_time();
        if let Some((refused, usage)) = self.refused.take().filter(|_| in_time) {
            let released = self.store.caps().release(refused.id, usage).await;
            released.unwrap();
        }
    }

    /// Posts to one contract after the other. None if somebody else has the lead.
    async fn ladder(&mut self) -> Option<(LeadBody, Option<Arc<[u8]>>)> {
        let first = self.model.entropy.below(CONTRACTS);
        // No post starts later: whoever was posted before has not been given up by then.
        let deadline = self.admitted.plus(REPLY);
        let mut posting = false;
        let mut leg = 1;
        let mut replies: Vec<LegReply> = Vec::new();
        // In doubt, and may be sold again.
        let mut doubted: Option<Reservation> = None;
        for turn in 0..CONTRACTS {
            if leg > MOST_LEGS || self.model.now() > deadline {
                break;
            }
            let contract = (first + turn) % CONTRACTS;
            let one = Reservation {
                id: ReservationId {
                    lead: self.lead,
                    leg,
                },
                counters: self.model.counters(contract),
            };
            let now = self.model.now();
            let held = self.store.caps().hold(&one, now, now.plus(HOLD)).await;
            if held.unwrap() != Held::Granted {
                continue;
            }
            self.gate.pass().await;
            if !posting {
                match self.store.claims().posting(self.lead).await.unwrap() {
                    PostingClaim::Yours => {
                        posting = true;
                        self.model.people.posting(self.lead);
                    }
                    // The hold is whoever's the lead is: it is not given back.
                    PostingClaim::Lost => return None,
                }
                self.gate.pass().await;
            }
            if self.model.now() > now.plus(HOLD) {
                // What is held under this id by now may be another router's, for another contract.
                continue;
            }
            let pinned = self.store.caps().pin(one.id, self.model.now()).await;
            if pinned.unwrap() == Pinned::Expired {
                continue;
            }
            self.gate.pass().await;
            let reply_by = self.model.now().plus(REPLY);
            self.until = self.until.min(reply_by);
            let mut posting = records::posting(leg, &one.counters, reply_by);
            posting.price_micros = Model::price(contract);
            let abandoned = doubted.take();
            if let (Some(_), Some(last)) = (&abandoned, replies.last_mut()) {
                last.state = LegState::Rejected.number().into();
            }
            posting.replies = replies.last().cloned().into_iter().collect();
            self.record(LeadBody::Posting(posting)).await;
            if let Some(abandoned) = abandoned {
                self.model.abandoned(self.lead);
                self.refused = Some((abandoned, Usage::Sent));
            }
            self.give_back().await;
            let reply = match self.model.now() > deadline {
                true => Reply::Unsent,
                false => self.model.post(self.lead),
            };
            self.gate.pass().await;
            // An answer after its time is no answer any more.
            let reply = match reply {
                Reply::Accept | Reply::Reject if self.model.now() > reply_by => Reply::Unclear,
                reply => reply,
            };
            let state = match reply {
                Reply::Accept => {
                    let caps = self.store.caps();
                    caps.settle(&one, Usage::Sold).await.unwrap();
                    LegState::Accepted
                }
                Reply::Reject => {
                    self.refused = Some((one.clone(), Usage::Sent));
                    LegState::Rejected
                }
                Reply::Unsent => {
                    self.refused = Some((one.clone(), Usage::Nothing));
                    LegState::Rejected
                }
                Reply::Unclear | Reply::Pending | Reply::Abandoned => LegState::InDoubt,
            };
            replies.push(match reply {
                Reply::Pending => {
                    let by = self
                        .model
                        .now()
                        .plus(REPLY * self.model.entropy.one_in(4).into());
                    records::pending(leg, by, self.model.entropy.one_in(2))
                }
                _ => LegReply {
                    unsent: reply == Reply::Unsent,
                    ..records::reply(leg, state)
                },
            });
            if self.model.entropy.one_in(6) {
                self.stall().await;
            }
            match reply {
                Reply::Accept => return Some(self.ended(LeadStatus::Sold, None, replies)),
                Reply::Unclear if self.model.entropy.one_in(2) => {
                    doubted = Some(one);
                    leg += 1;
                }
                Reply::Unclear | Reply::Pending | Reply::Abandoned => {
                    let reason = Some(LeadReason::InDoubt);
                    return Some(self.ended(LeadStatus::Pending, reason, replies));
                }
                Reply::Reject | Reply::Unsent => leg += 1,
            }
        }
        if doubted.is_some() {
            return Some(self.ended(LeadStatus::Pending, Some(LeadReason::InDoubt), replies));
        }
        let reason = match replies.is_empty() {
            true => LeadReason::NoEligibleContract,
            false => LeadReason::AllRejected,
        };
        Some(self.ended(LeadStatus::Unsold, Some(reason), replies))
    }

    fn ended(
        &self,
        status: LeadStatus,
        reason: Option<LeadReason>,
        replies: Vec<LegReply>,
    ) -> (LeadBody, Option<Arc<[u8]>>) {
        let nonce = self.model.entropy.next_u64();
        let answer = match status.is_final() {
            true => format!("{} {status} {nonce:x}", self.lead).into_bytes(),
            false => Vec::new(),
        };
        let outcome = records::outcome(status, reason, replies, &answer);
        (outcome, status.is_final().then(|| answer.into()))
    }
}

/// Begins to wait for this; gives the rest of the wait.
async fn begun<T>(wait: impl Future<Output = T>) -> impl Future<Output = T> {
    let mut wait = Box::pin(wait);
    let begun = poll_fn(|context| Poll::Ready(wait.as_mut().poll(context))).await;
    async move {
        match begun {
            Poll::Ready(over) => over,
            Poll::Pending => wait.await,
        }
    }
}
