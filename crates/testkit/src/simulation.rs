//! A seeded simulation of leads on a store that crashes: routers, a worker, an operator and impatient
//! publishers take turns in single steps, and the process dies between any two of them.
//!
//! The actors do what the real ones do to the ports and nothing else. After each crash, and at the
//! end, an auditor folds the log on its own and compares:
//!
//! - the store's leads are the fold of its log, and reserved units are those of its accepted and open
//!   legs (holds are gone);
//! - a key leads to the lead that was first acknowledged under it, for ever;
//! - an answer that a publisher heard is repeated byte for byte;
//! - whatever was acknowledged is in the log where it was;
//! - no counter ever passes its cap, and no lead is posted while a buyer may have it;
//! - of the leads of a person one is in flight at a time, and inside a rule's window one is sold; what the
//!   fence says of a lead is what the leads before it say, whatever crashed in between;
//! - in the end every lead has one outcome: sold with exactly one accepted leg, or unsold or a duplicate
//!   with none.

mod gate;
mod model;
mod people;
mod router;
mod worker;

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use store::{Backend, Topic};

use crate::{FakeClock, SeededEntropy};
use gate::Task;
use model::Model;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Killed: what the kernel has stays.
    Killed,
    /// The power goes: what was not synced may go with it.
    PowerCut,
    /// Closed in order.
    Closed,
}

/// A store that can crash.
pub trait Machine {
    /// Its backend.
    type Backend: Backend;

    /// The store that runs now.
    fn store(&self) -> Self::Backend;

    /// A record was just acknowledged as durable: a power cut takes nothing that came before it.
    fn synced(&mut self);

    /// Ends the process and starts it again. Nobody holds the old store any more.
    fn restart(&mut self, end: End, entropy: &SeededEntropy) -> impl Future<Output = ()>;

    /// Does what the store does in the background and at times of its own, now.
    fn housekeep(&mut self) -> impl Future<Output = ()>;
}

/// How much happens.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Steps before everybody is left to finish.
    pub steps: u64,
    /// One step in so many is a crash.
    pub crash_in: u64,
    /// Idempotency keys that publishers use.
    pub keys: u64,
    /// Persons whose leads they send.
    pub persons: u64,
    /// Routers at work at a time.
    pub routers: usize,
    /// Cap of each contract's day; its total is two higher.
    pub cap: i64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            steps: 400,
            crash_in: 60,
            keys: 18,
            persons: 4,
            routers: 5,
            cap: 3,
        }
    }
}

/// What happened, so that a test can see that something did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Crashes.
    pub crashes: u64,
    /// Leads in the log.
    pub leads: u64,
    /// Leads that ended sold.
    pub sold: u64,
    /// Leads that ended interrupted.
    pub interrupted: u64,
    /// Settlement proposals.
    pub settlements: u64,
    /// Answers repeated to a publisher that had heard them.
    pub repeats: u64,
    /// Accepts that came after their leg was settled as rejected.
    pub late: u64,
    /// Takes-over of a lead whose router was gone.
    pub taken_over: u64,
    /// Legs in doubt that were abandoned for another buyer.
    pub abandoned: u64,
    /// Leads that waited for another of their person.
    pub waits: u64,
    /// Leads that ended as duplicates.
    pub duplicates: u64,
    /// Buyers that never said what they had promised to say.
    pub silent: u64,
}

/// Runs one seed.
///
/// # Panics
/// A law does not hold.
pub async fn run<M: Machine>(machine: &mut M, clock: &FakeClock, seed: u64, plan: &Plan) -> Tally {
    let entropy = Rc::new(SeededEntropy::new(seed));
    let model = Rc::new(Model::new(clock.clone(), Rc::clone(&entropy), plan.clone()));
    // From now on nothing is cut off the log that the auditor has not read.
    model.audit(&machine.store()).await;
    let mut process = Process::start(machine, &model);
    for _ in 0..plan.steps {
        if entropy.one_in(plan.crash_in) {
            let end = *entropy.pick(&[End::Killed, End::PowerCut, End::Closed]);
            process = process.crash(machine, &model, end).await;
        } else {
            process.step(machine, &model).await;
        }
        model.check_caps(&machine.store()).await;
    }
    process.finish(machine, &model).await
}

/// What dies with a crash.
struct Process {
    routers: Vec<Task>,
    worker: Task,
}

impl Process {
    fn start<M: Machine>(machine: &M, model: &Rc<Model>) -> Self {
        Self {
            routers: Vec::new(),
            worker: worker::start(machine.store(), Rc::clone(model)),
        }
    }

    async fn step<M: Machine>(&mut self, machine: &mut M, model: &Rc<Model>) {
        let entropy = &model.entropy;
        match entropy.below(100) {
            0..50 if !self.routers.is_empty() => self.step_router(model).await,
            0..62 => {
                if self.routers.len() < model.plan.routers {
                    let request = router::start(machine.store(), Rc::clone(model));
                    self.routers.push(request);
                }
            }
            62..82 => {
                self.worker.step().await;
            }
            82..92 => worker::operate(&machine.store(), model).await,
            92..97 => {
                let most = *entropy.pick(&[100, 5_000, 20_000, 60_000]);
                model
                    .clock
                    .advance(Duration::from_millis(entropy.below(most)));
            }
            _ => machine.housekeep().await,
        }
        model.written(&machine.store()).await;
        if model.take_synced() {
            machine.synced();
        }
    }

    async fn step_router(&mut self, model: &Model) {
        let mut at = model.entropy.below(self.routers.len() as u64) as usize;
        if model.entropy.one_in(2) {
            // The oldest is mostly passed over: it comes back when others have given it up.
            at = at.max(1).min(self.routers.len() - 1);
        }
        if self.routers[at].step().await {
            drop(self.routers.remove(at));
        }
    }

    async fn crash<M: Machine>(self, machine: &mut M, model: &Rc<Model>, end: End) -> Self {
        drop(self);
        model.crashed();
        machine.restart(end, &model.entropy).await;
        let store = machine.store();
        model.audit(&store).await;
        model.restarted();
        Self::start(machine, model)
    }

    /// Lets everybody finish, and settles what is in doubt.
    async fn finish<M: Machine>(mut self, machine: &mut M, model: &Rc<Model>) -> Tally {
        while !self.routers.is_empty() {
            self.step_router(model).await;
        }
        let end = *model.entropy.pick(&[End::Killed, End::Closed]);
        self = self.crash(machine, model, end).await;
        for round in 0.. {
            assert!(round < 50, "leads do not end: {:?}", model.unfinished());
            model.clock.advance(Duration::from_secs(60));
            worker::settle_all(&machine.store(), model).await;
            while !model.is_idle() {
                self.worker.step().await;
            }
            // Once more from the start of its loop, so that it has looked at what time did.
            model.set_busy();
            while !model.is_idle() {
                self.worker.step().await;
            }
            model.audit(&machine.store()).await;
            if model.unfinished().is_empty() {
                break;
            }
        }
        let ends = store::EventLog::ends(machine.store().log(), Topic::Leads);
        assert!(ends.iter().sum::<u64>() > 0, "nothing happened");
        self = self.crash(machine, model, End::Closed).await;
        drop(self);
        model.check_outcomes()
    }
}
