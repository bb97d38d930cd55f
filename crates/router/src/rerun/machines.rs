//! Runs the two machines of a lead against somebody who answers them, in the order of the router.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use auction::{
    Book, Climb, Context, Facts, Kind, LadderEffect, LadderInput, LadderRecord, LeadView,
    PingEffect, PingInput, PingReply, PingRound, PostLadder, Quote, RoundOpening, Rules, Rung,
    Screened, Slot, Waterfall, screen,
};
use domain::{FullLead, LeadId, Micros, Mono, Reservation, ReservationId, Timestamp};

/// The monotonic time at which every lead arrives.
pub(super) const ARRIVAL: Mono = Mono::from_micros(1 << 40);

/// What the machines of a lead start from.
pub(super) struct Start {
    pub(super) lead: LeadId,
    pub(super) fields: Arc<FullLead>,
    pub(super) book: Arc<Book>,
    pub(super) rules: Rules,
    /// As of the lead's arrival.
    pub(super) context: Context,
    pub(super) facts: Facts,
    pub(super) min_payout: Micros,
    /// What the post's quote says; none for a direct post.
    pub(super) quote: Option<(Quote, Vec<Rung>)>,
    pub(super) tmax: Duration,
    /// When the first machine is opened.
    pub(super) opens: Timestamp,
}

/// When the machines are told something, and what. None if nobody knows: that is where it ends.
pub(super) type Told<T> = Option<(Mono, T)>;

/// Who answers what the machines ask for, at a time that is not before `now`.
pub(super) trait Answers {
    /// How a ping was answered, and after which time; none if it never was.
    fn ping(&mut self, slot: Slot) -> Option<(Duration, PingReply)>;
    /// When the round is woken that wants to be woken then.
    fn wake(&mut self, opened: Mono, at: Mono) -> Mono;
    fn hold(&mut self, now: Mono, slot: Slot, of: &Reservation) -> Told<LadderInput>;
    fn pin(&mut self, now: Mono, id: ReservationId) -> Told<LadderInput>;
    fn record(&mut self, now: Mono, n: u32, record: &LadderRecord) -> Told<LadderInput>;
    fn post(&mut self, now: Mono, leg: u16, until: Mono) -> Told<LadderInput>;
}

/// All that the machines wanted done, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effects {
    /// Of the round.
    pub round: Vec<PingEffect>,
    /// Of the ladder.
    pub ladder: Vec<LadderEffect>,
}

impl Start {
    pub(super) fn mono(&self, wall: Timestamp) -> Mono {
        ARRIVAL.plus(wall.since(self.context.wall))
    }

    pub(super) fn wall(&self, mono: Mono) -> Timestamp {
        self.context.wall.plus(mono.since(ARRIVAL))
    }

    fn context(&self, now: Mono) -> Context {
        Context {
            wall: self.wall(now),
            ..self.context.clone()
        }
    }

    pub(super) fn screened(&self) -> Screened {
        screen(&self.book, &self.context, LeadView::Full(&self.fields))
    }

    fn round(&self) -> PingRound {
        let now = self.mono(self.opens);
        PingRound::open(RoundOpening {
            book: Arc::clone(&self.book),
            rules: self.rules.clone(),
            context: self.context(now),
            screened: self.screened(),
            facts: self.facts.clone(),
            kind: Kind::Direct,
            min_payout: self.min_payout,
            now,
            deadline: ARRIVAL.plus(self.tmax),
        })
    }

    fn ladder(&self, now: Mono, pinging: Option<&Pinging>) -> PostLadder {
        let deadline = ARRIVAL.plus(self.tmax);
        let (rungs, waterfall) = match (pinging, &self.quote) {
            (Some(pinging), _) => {
                let round = pinging.round.so_far();
                (round.rungs, round.waterfall)
            }
            (None, quote) => {
                let rungs = quote.iter().flat_map(|(_, rungs)| rungs);
                (rungs.cloned().collect(), Waterfall::default())
            }
        };
        PostLadder::open(Climb {
            lead: self.lead,
            fields: Arc::clone(&self.fields),
            book: Arc::clone(&self.book),
            rules: self.rules.clone(),
            context: self.context(now),
            rungs,
            quote: self.quote.as_ref().map(|(quote, _)| *quote),
            min_payout: self.min_payout,
            waterfall,
            more: pinging.is_some_and(|pinging| !pinging.over),
            now,
            deadline,
            last_post: self.rules.last_post(ARRIVAL, deadline),
        })
    }
}

/// A round, and what is on its way to it.
struct Pinging {
    round: PingRound,
    opened: Mono,
    /// In the order in which it comes.
    coming: BTreeMap<(Mono, usize), PingInput>,
    ready: bool,
    over: bool,
    /// Whether the ladder has not heard of the last of it.
    news: bool,
}

impl Pinging {
    fn open(start: &Start, answers: &mut impl Answers, effects: &mut Effects) -> Self {
        let mut pinging = Self {
            round: start.round(),
            opened: start.mono(start.opens),
            coming: BTreeMap::new(),
            ready: false,
            over: false,
            news: false,
        };
        pinging.perform(answers, effects);
        pinging
    }

    fn perform(&mut self, answers: &mut impl Answers, effects: &mut Effects) {
        while let Some(effect) = self.round.poll() {
            let coming = match &effect {
                PingEffect::Ping { slot, .. } => answers.ping(*slot).map(|(took, reply)| {
                    let input = PingInput::Reply { slot: *slot, reply };
                    (self.opened.plus(took), input)
                }),
                PingEffect::WakeAt(at) => Some((answers.wake(self.opened, *at), PingInput::Tick)),
                PingEffect::Cancel { .. } => None,
                PingEffect::Ready => {
                    self.ready = true;
                    None
                }
                PingEffect::Joined => {
                    self.news = true;
                    None
                }
                PingEffect::Done => {
                    self.news = self.ready;
                    (self.ready, self.over) = (true, true);
                    self.coming.clear();
                    None
                }
            };
            let place = effects.round.len();
            self.coming
                .extend(coming.map(|(at, input)| ((at, place), input)));
            effects.round.push(effect);
        }
    }

    /// Lets the next thing come, unless that is after `until`.
    fn step(
        &mut self,
        until: Mono,
        answers: &mut impl Answers,
        effects: &mut Effects,
    ) -> Option<Mono> {
        let next = self.coming.first_entry()?;
        let (at, _) = *next.key();
        if at > until {
            return None;
        }
        let input = next.remove();
        self.round.on(at, input);
        self.perform(answers, effects);
        Some(at)
    }

    fn news(&mut self) -> Option<LadderInput> {
        std::mem::take(&mut self.news).then(|| LadderInput::Joined {
            round: self.round.so_far(),
            more: !self.over,
        })
    }
}

const FOR_EVER: Mono = Mono::from_micros(u64::MAX);

/// Runs them to their end, or until somebody has no answer.
pub(super) fn run(start: &Start, answers: &mut impl Answers) -> Effects {
    let mut effects = Effects::default();
    let mut now = start.mono(start.opens);
    let mut pinging = match &start.quote {
        Some(_) => None,
        None => Some(Pinging::open(start, answers, &mut effects)),
    };
    if let Some(pinging) = &mut pinging {
        while !pinging.ready {
            match pinging.step(FOR_EVER, answers, &mut effects) {
                Some(at) => now = at,
                None => return effects,
            }
        }
    }
    let mut ladder = start.ladder(now, pinging.as_ref());
    loop {
        let Some(effect) = ladder.poll() else {
            let Some(pinging) = &mut pinging else { break };
            let Some(at) = pinging.step(FOR_EVER, answers, &mut effects) else {
                break;
            };
            now = at;
            if let Some(joined) = pinging.news() {
                ladder.on(now, joined);
            }
            continue;
        };
        let told = match &effect {
            LadderEffect::Hold {
                slot, reservation, ..
            } => answers.hold(now, *slot, reservation),
            LadderEffect::Pin { id, .. } => answers.pin(now, *id),
            LadderEffect::Record { n, record } => answers.record(now, *n, record),
            LadderEffect::Post { leg, until, .. } => answers.post(now, *leg, *until),
            LadderEffect::Commit(_) | LadderEffect::Release(..) | LadderEffect::WakeAt(_) => {
                effects.ladder.push(effect);
                continue;
            }
            LadderEffect::Done(_) => None,
        };
        effects.ladder.push(effect);
        let Some((at, input)) = told else { break };
        now = at;
        if let Some(pinging) = &mut pinging {
            while pinging.step(now, answers, &mut effects).is_some() {}
            if let Some(joined) = pinging.news() {
                ladder.on(now, joined);
            }
        }
        ladder.on(now, input);
    }
    effects
}
