//! What time ends, on a store in memory: each thing once, and as the lead's records say.

use std::time::Duration;

use domain::{Clock as _, LeadReason, LeadStatus, LegState, SettledBy};
use store::{ClaimKey, Consumer as _, Delivery};
use store_local::{Local, LocalOptions};
use testkit::{FakeClock, SeededEntropy, records};

use super::*;

/// A lead at work, its records folded as they are written.
struct Scene {
    clock: FakeClock,
    store: Local,
    lead: LeadId,
    overdue: Overdue,
}

impl Scene {
    async fn with(bodies: Vec<LeadBody>) -> Self {
        let clock = FakeClock::default();
        let store = Local::open(LocalOptions::default(), clock.port()).unwrap();
        let lead = LeadId::mint(clock.wall(), &SeededEntropy::new(1));
        let key = ClaimKey("pub/solar/post/k".to_owned());
        let received = records::received(&key, &[1; 32]);
        let mut scene = Self {
            clock,
            store,
            lead,
            overdue: Overdue::default(),
        };
        for body in std::iter::once(received).chain(bodies) {
            let record = records::record(lead, 0, scene.clock.wall(), body);
            let bytes = records::bytes(&record);
            let log = scene.store.log();
            let append = log.append(Topic::Leads, key::lead(lead), bytes, Ack::Durable);
            append.await.unwrap();
        }
        scene.fold("first").await;
        scene
    }

    /// How many records a look writes after so much more time.
    async fn look(&mut self, after: Duration) -> usize {
        self.clock.advance(after);
        let partitions: Vec<u16> = (0..)
            .take(self.store.log().ends(Topic::Leads).len())
            .collect();
        let pass = self
            .overdue
            .pass(&self.store, &partitions, self.clock.wall(), 7);
        pass.await.unwrap()
    }

    /// Folds the whole log, as a group that has not read it: what was folded before changes nothing.
    async fn fold(&mut self, group: &'static str) {
        for (offset, record) in read(&self.store, group).await {
            let folded = self.store.claims().fold(offset, &record);
            folded.await.unwrap();
        }
    }

    async fn state(&self) -> LeadState {
        let view = self.store.claims().lead(self.lead).await.unwrap().unwrap();
        view.state.unwrap().as_ref().clone()
    }
}

/// All lead records, as a group that has not read them.
async fn read(store: &Local, group: &'static str) -> Vec<(u64, LeadRecord)> {
    let log = store.log();
    let mut consumer = log.subscribe(group, &[Topic::Leads]).await.unwrap();
    let mut all = Vec::new();
    while let Some(delivery) = consumer.next(Duration::ZERO).await.unwrap() {
        let Delivery::Records { records, .. } = delivery else {
            continue;
        };
        let read = |it: store::Record| (it.offset, LeadRecord::decode(it.payload).unwrap());
        all.extend(records.into_iter().map(read));
    }
    all
}

const MINUTE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_micros(1);

#[tokio::test]
async fn a_silence_is_settled_once_as_its_contract_has_it() {
    for (accepted, status) in [(true, LeadStatus::Sold), (false, LeadStatus::Unsold)] {
        let by = FakeClock::default().wall().plus(MINUTE);
        let pending = vec![records::pending(1, by, accepted)];
        let doubt = Some(LeadReason::InDoubt);
        let mut scene = Scene::with(vec![
            LeadBody::Posting(records::posting(1, &[], by)),
            records::outcome(LeadStatus::Pending, doubt, pending, b""),
        ])
        .await;
        assert_eq!(scene.look(MINUTE - TICK).await, 0);
        assert_eq!(scene.look(TICK).await, 1);
        assert_eq!(scene.look(TICK).await, 0, "it is not folded yet");
        scene.fold("again").await;
        let state = scene.state().await;
        assert_eq!(state.lead_status(), Ok(status));
        assert_eq!(state.legs[0].settled_by, SettledBy::Deadline.as_str());
        assert_eq!(scene.look(MINUTE).await, 0);
    }
}

#[tokio::test]
async fn a_leg_without_an_answer_lapses_once() {
    let by = FakeClock::default().wall().plus(MINUTE);
    let posting = LeadBody::Posting(records::posting(1, &[], by));
    let mut scene = Scene::with(vec![posting]).await;
    assert_eq!(scene.look(MINUTE).await, 0);
    assert_eq!(scene.look(MINUTE).await, 1);
    assert_eq!(scene.look(MINUTE).await, 0, "it is not folded yet");
    scene.fold("again").await;
    assert_eq!(
        scene.state().await.legs[0].leg_state(),
        Ok(LegState::InDoubt)
    );
    // From here on it is the buyer's or the operator's to say.
    assert_eq!(scene.look(MINUTE).await, 0);
}

/// A store in memory ends with its router, so it never names such a lead itself.
#[tokio::test]
async fn a_lead_that_may_have_no_record_is_interrupted_once_while_it_is_named() {
    let clock = FakeClock::default();
    let store = Local::open(LocalOptions::default(), clock.port()).unwrap();
    let lead = LeadId::mint(clock.wall(), &SeededEntropy::new(1));
    let mut overdue = Overdue::default();
    let mut named = async || {
        let wrote = overdue.interrupt(&store, vec![lead, lead], clock.wall(), 7);
        wrote.await.unwrap()
    };
    assert_eq!((named().await, named().await), (1, 0));
    let written = read(&store, "reader").await;
    let written: Vec<_> = written.into_iter().map(|(_, record)| record).collect();
    let expected = LeadBody::Interrupted(Interrupted {});
    assert_eq!(
        written,
        [records::record(lead, 0, clock.wall(), expected)].map(|record| LeadRecord {
            instance: 7,
            ..record
        })
    );
    // Nobody names it any more; should somebody, it is another claim of it.
    let pass = overdue.pass(&store, &[], clock.wall(), 7);
    assert_eq!(pass.await, Ok(0));
    let again = overdue.interrupt(&store, vec![lead], clock.wall(), 7);
    assert_eq!(again.await, Ok(1));
}
