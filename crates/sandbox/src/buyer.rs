//! One buyer at work: reads a request, decides, journals, and only then answers.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Clock, Micros, Mono, Timestamp};

use crate::journal::Journal;
use crate::plan::{self, Plan};
use crate::tap::{Seen, Tap, Verdict};
use crate::wire::Request;
use crate::{Answer, Delivery, Entry, JournalError, Kind, Magic, Profile};

/// How many posts a buyer remembers; what is older is decided again, to the same end.
const REMEMBERED: usize = 1_000_000;

/// How long a repeated post takes: it is only looked up.
const LOOK_UP: Duration = Duration::from_millis(2);

/// One buyer: its manners, its memory and its journal.
pub(crate) struct Buyer {
    profile: Profile,
    seed: u64,
    marker: String,
    journal: Journal,
    memory: Mutex<Memory>,
    clock: Arc<dyn Clock>,
    tap: Option<Arc<dyn Tap>>,
}

/// What a buyer answers, decided and journalled.
pub(crate) enum Reply {
    /// To be delivered so.
    Deliver {
        /// How.
        delivery: Delivery,
        /// The answer's bytes; none for a bare 204.
        body: Option<Vec<u8>>,
    },
    /// The bytes were no request.
    BadRequest(String),
    /// The journal refused the line: an answer that is not journalled must not leave.
    NoJournal(JournalError),
}

#[derive(Default)]
struct Memory {
    by_key: HashMap<String, (Answer, Option<Micros>)>,
    order: VecDeque<String>,
}

impl Memory {
    fn keep(&mut self, key: &str, answer: Answer, price: Option<Micros>) {
        if self
            .by_key
            .insert(key.to_owned(), (answer, price))
            .is_none()
        {
            self.order.push_back(key.to_owned());
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_key.remove(&oldest);
        }
    }
}

impl Buyer {
    /// A buyer that remembers what its journal says.
    pub(crate) fn open(
        profile: Profile,
        seed: u64,
        marker: String,
        dir: &Path,
        clock: Arc<dyn Clock>,
        tap: Option<Arc<dyn Tap>>,
    ) -> Result<Self, JournalError> {
        let (journal, entries) = Journal::open(dir, &profile.name)?;
        let mut memory = Memory::default();
        for entry in entries {
            if let Some(key) = entry.idempotency_key {
                let price = entry.price.and_then(|text| text.parse().ok());
                memory.keep(&key, entry.answer, price);
            }
        }
        Ok(Self {
            profile,
            seed,
            marker,
            journal,
            memory: Mutex::new(memory),
            clock,
            tap,
        })
    }

    /// Serves one request to the end, whoever still waits for it.
    pub(crate) async fn serve(self: Arc<Self>, body: bytes::Bytes) -> Reply {
        let (read_at, wall) = (self.clock.mono(), self.clock.wall());
        let request: Request = match serde_json::from_slice(&body) {
            Ok(request) => request,
            Err(error) => return Reply::BadRequest(error.to_string()),
        };
        let marker = request.field(&self.marker).unwrap_or_default();
        let (mut plan, repeat) = self.decide(&request);
        if self.held(&request, &marker) {
            plan.delivery = Delivery::Never;
        }
        let in_time = !matches!(plan.delivery, Delivery::Late | Delivery::Never);
        if in_time {
            tokio::time::sleep(plan.delay).await;
        }
        let entry = self.entry(&request, marker, &plan, repeat, (read_at, wall));
        if let Err(error) = self.journal.append(&entry) {
            return Reply::NoJournal(error);
        }
        if plan.delivery == Delivery::Late {
            tokio::time::sleep(plan.delay).await;
        }
        let id = request
            .idempotency_key
            .as_deref()
            .unwrap_or(&request.ping_id);
        Reply::Deliver {
            delivery: plan.delivery,
            body: plan.body(id),
        }
    }

    /// What to do with a request, and whether it repeats an earlier post.
    fn decide(&self, request: &Request) -> (Plan, bool) {
        let magic = if request.test {
            request.field("zip").as_deref().and_then(Magic::of)
        } else {
            None
        };
        if request.lead_id.is_none() {
            return (plan::ping(&self.profile, self.seed, request, magic), false);
        }
        let key = request.idempotency_key.as_deref().unwrap_or_default();
        let mut plan = plan::post(&self.profile, self.seed, request, key, magic);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&(answer, price)) = memory.by_key.get(key) {
            plan = Plan {
                answer,
                price,
                delivery: Delivery::Answered,
                delay: LOOK_UP,
                ..plan
            };
            return (plan, true);
        }
        memory.keep(key, plan.answer, plan.price);
        (plan, false)
    }

    fn held(&self, request: &Request, marker: &str) -> bool {
        let seen = Seen {
            buyer: &self.profile.name,
            kind: kind(request),
            ping_id: &request.ping_id,
            idempotency_key: request.idempotency_key.as_deref(),
            marker,
        };
        self.tap
            .as_ref()
            .is_some_and(|tap| tap.seen(seen) == Verdict::Hold)
    }

    fn entry(
        &self,
        request: &Request,
        marker: String,
        plan: &Plan,
        repeat: bool,
        (read_at, wall): (Mono, Timestamp),
    ) -> Entry {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Entry {
            received_us: wall.as_micros(),
            service_us: match plan.delivery {
                Delivery::Never => None,
                Delivery::Late => Some(micros(plan.delay)),
                _ => Some(micros(self.clock.mono().since(read_at))),
            },
            buyer: self.profile.name.clone(),
            kind: kind(request),
            campaign: request.campaign.clone(),
            contract: request.contract.clone(),
            test: request.test,
            ping_id: request.ping_id.clone(),
            tmax_ms: request.tmax_ms,
            lead_id: request.lead_id.clone(),
            idempotency_key: request.idempotency_key.clone(),
            marker,
            answer: plan.answer,
            delivery: plan.delivery,
            price: plan.price.map(|price| price.to_string()),
            repeat,
        }
    }
}

fn kind(request: &Request) -> Kind {
    if request.lead_id.is_some() {
        Kind::Post
    } else {
        Kind::Ping
    }
}
