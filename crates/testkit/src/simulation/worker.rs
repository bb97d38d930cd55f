//! The worker that folds the log, and the operator who settles what is in doubt.

use std::rc::Rc;
use std::time::Duration;

use domain::{LeadId, LegState, Settlement};
use proto::{LeadBody, LeadRecord, LeadState, Leg, Message};
use store::fold::{Change, Due};
use store::{Ack, Backend, Caps, Claims, Consumer, Delivery, EventLog, Topic, key};

use super::gate::{Gate, Task};
use super::model::Model;
use crate::records;

/// The worker of one process.
pub(super) fn start<B: Backend>(store: B, model: Rc<Model>) -> Task {
    Task::new(|gate| async move {
        let log = store.log();
        let mut consumer = log.subscribe("worker", &[Topic::Leads]).await.unwrap();
        loop {
            match consumer.next(Duration::ZERO).await.unwrap() {
                Some(Delivery::Records {
                    partition, records, ..
                }) => {
                    let mut next = 0;
                    for record in records {
                        fold(&store, &model, &gate, record.offset, record.payload).await;
                        next = record.offset + 1;
                    }
                    gate.pass().await;
                    let commit = consumer.commit(&[(Topic::Leads, partition, next)]).await;
                    commit.unwrap();
                }
                Some(Delivery::Assigned { .. } | Delivery::Revoked { .. }) => {}
                None => {
                    let wrote = look(&store, &model, &gate).await;
                    if !wrote {
                        model.set_idle();
                    }
                    gate.pass().await;
                    continue;
                }
            }
            model.set_busy();
            gate.pass().await;
        }
    })
}

async fn fold<B: Backend>(
    store: &B,
    model: &Model,
    gate: &Gate,
    offset: u64,
    payload: bytes::Bytes,
) {
    let record = LeadRecord::decode(payload).unwrap();
    if matches!(record.body, Some(LeadBody::Quoted(_))) {
        return;
    }
    let folded = store.claims().fold(offset, &record).await.unwrap();
    model.people.folded(offset, &record);
    gate.pass().await;
    let lead = folded.state.lead_id().unwrap();
    for change in folded.changes {
        let number = match change {
            Change::LegEnded(number, _) => number,
            // Its router may have counted it for the moment.
            Change::LateAccept(number) => {
                model.count(|tally| tally.late += 1);
                number
            }
            _ => continue,
        };
        let legs = &folded.state.legs;
        let leg = legs.iter().find(|leg| leg.leg == u32::from(number));
        let leg = leg.unwrap();
        let (reservation, usage) = (leg.reservation(lead).unwrap(), leg.usage().unwrap());
        let settled = store.caps().settle(&reservation, usage.unwrap());
        settled.await.unwrap();
    }
}

/// Ends what time has ended. True if that wrote something.
async fn look<B: Backend>(store: &B, model: &Model, gate: &Gate) -> bool {
    let mut wrote = false;
    for partition in 0..store.log().ends(Topic::Leads).len() {
        for state in store.claims().open(partition as u16).await.unwrap() {
            let (lead, now) = (state.lead_id().unwrap(), model.now());
            let body = match store::fold::due(&state, now).unwrap() {
                Due::Nothing => continue,
                Due::Lapse(leg) => records::lapsed(leg),
                Due::Settle(leg, silence) => {
                    model.count(|tally| tally.silent += 1);
                    records::settled(leg, silence == Settlement::Accepted, 0)
                }
                Due::Interrupt => match store.claims().close(lead, now).await.unwrap() {
                    true => records::interrupted(),
                    false => continue,
                },
            };
            gate.pass().await;
            append(store, model, lead, body).await;
            wrote = true;
        }
    }
    wrote
}

async fn append<B: Backend>(store: &B, model: &Model, lead: LeadId, body: LeadBody) {
    let record = records::record(lead, 0, model.now(), body);
    let bytes = records::bytes(&record);
    let log = store.log();
    let appended = log.append(Topic::Leads, key::lead(lead), bytes.clone(), Ack::Durable);
    model.queued();
    model.acknowledged(appended.await.unwrap(), bytes);
}

/// Proposes how some leg ended: one in doubt mostly, and sometimes any.
pub(super) async fn operate<B: Backend>(store: &B, model: &Model) {
    let any = model.entropy.one_in(4);
    let mut leads = Vec::new();
    if any {
        leads = model.leads();
    } else {
        for partition in 0..store.log().ends(Topic::Leads).len() {
            let open = store.claims().open(partition as u16).await.unwrap();
            let doubtful = open.iter().filter(|state| in_doubt(state));
            leads.extend(doubtful.map(|state| state.lead_id().unwrap()));
        }
    }
    if !leads.is_empty() {
        let these = if any { |_: &Leg| true } else { doubtful };
        settle(store, model, *model.entropy.pick(&leads), these).await;
    }
}

fn in_doubt(state: &LeadState) -> bool {
    state.legs.iter().any(doubtful)
}

fn doubtful(leg: &Leg) -> bool {
    leg.leg_state() == Ok(LegState::InDoubt)
}

/// Settles every leg in doubt that time does not settle.
pub(super) async fn settle_all<B: Backend>(store: &B, model: &Model) {
    for lead in model.unfinished() {
        settle(store, model, lead, |leg| {
            doubtful(leg) && leg.unsettled.is_none()
        })
        .await;
    }
}

async fn settle<B: Backend>(store: &B, model: &Model, lead: LeadId, these: impl Fn(&Leg) -> bool) {
    let view = store.claims().lead(lead).await.unwrap();
    let state = view.and_then(|view| view.state);
    let legs = state
        .as_deref()
        .map_or(&[][..], |state: &LeadState| &state.legs);
    let leg = legs.iter().find(|leg| these(leg));
    if let Some(leg) = leg {
        let number = leg.number().unwrap();
        let accepted = model.entropy.one_in(2);
        model.count(|tally| tally.settlements += 1);
        let proposal = model.entropy.next_u64();
        append(
            store,
            model,
            lead,
            records::settled(number, accepted, proposal),
        )
        .await;
    }
}
