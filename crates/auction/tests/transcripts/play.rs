//! Plays a scenario: the machines in the middle, everything around them as the scenario says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use auction::{
    Book, Climb, Context, Ended, Facts, Fate, Kind, LadderEffect, LadderInput, LadderRecord,
    LeadView, PingEffect, PingInput, PingRound, PostLadder, Quote, Round, RoundOpening, Slot,
    Waterfall, screen,
};
use domain::{ContractName, CounterUse, LeadId, Mono, Reservation, Timestamp, Usage};

use crate::scenario::{Does, Scenario, Trouble, When};
use crate::words;

/// What stores and log take where the scenario says nothing.
const STORE: Duration = Duration::from_millis(1);
const LOG: Duration = Duration::from_millis(3);

/// Plays it and writes down what happens.
pub(crate) fn play(scenario: Scenario) -> String {
    let mut play = Play {
        book: Arc::new(Book::new(scenario.book.clone())),
        now: Mono::from_micros(0),
        arrived: Mono::from_micros(0),
        coming: BTreeMap::new(),
        count: 0,
        posted: None,
        lines: Vec::new(),
        scenario,
    };
    let tmax = play.scenario.order.tmax;
    let (round, pinging) = play.round(play.now.plus(tmax));
    let (quote, deadline) = match (play.scenario.order.kind, play.scenario.order.post) {
        (Kind::Direct, _) => (false, Mono::from_micros(0).plus(tmax)),
        (Kind::Ping, post) => {
            play.quoted(&round);
            let (true, Some((after, tmax))) = (!round.rungs.is_empty(), post) else {
                return play.text();
            };
            play.now = play.now.plus(after);
            play.arrived = play.now;
            play.change();
            (true, play.now.plus(tmax))
        }
    };
    play.ladder(round, pinging, quote, deadline);
    play.text()
}

struct Play {
    scenario: Scenario,
    book: Arc<Book>,
    now: Mono,
    /// When the lead came that is posted.
    arrived: Mono,
    coming: BTreeMap<(Mono, u32), Event>,
    count: u32,
    /// Who has a post that is not answered, and until when the answer is read.
    posted: Option<(ContractName, Mono)>,
    lines: Vec<String>,
}

enum Event {
    Ping(PingInput),
    Ladder(LadderInput),
    /// The publisher stops waiting.
    Deadline,
}

impl Play {
    fn text(self) -> String {
        self.lines.join("\n") + "\n"
    }

    fn line(&mut self, what: impl AsRef<str>) {
        let millis = self.now.as_micros() / 1000;
        self.lines
            .push(format!("{millis:>6} ms  {}", what.as_ref()));
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.at(self.now.plus(delay), event);
    }

    fn at(&mut self, at: Mono, event: Event) {
        self.count += 1;
        self.coming.insert((at, self.count), event);
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_micros(1_790_000_000_000_000).plus(self.now.since(Mono::from_micros(0)))
    }

    fn context(&self) -> Context {
        let order = &self.scenario.order;
        Context {
            sub: Arc::new(order.sub.clone()),
            exclude: Arc::new(order.exclude.clone()),
            already_sold: order.already_sold,
            test: order.test,
            ..Context::new(order.publisher.clone(), self.wall())
        }
    }

    fn name(&self, slot: Slot) -> ContractName {
        self.book.get(slot).unwrap().contract.clone()
    }

    /// What the round comes to; with the round itself, if the ladder need not wait for the rest of it.
    fn round(&mut self, deadline: Mono) -> (Round, Option<PingRound>) {
        let context = self.context();
        let order = self.scenario.order.clone();
        let view = match order.kind {
            Kind::Ping => LeadView::Ping(&order.fields.ping),
            Kind::Direct => LeadView::Full(&order.fields),
        };
        let screened = screen(&self.book, &context, view);
        let mut facts = Facts::default();
        for counter in screened.counters(&self.book, &self.scenario.rules, &context) {
            let used = self.scenario.used.of(&counter, 0);
            facts.used.insert(counter, used);
        }
        for (slot, terms) in self.book.iter() {
            let history = self.scenario.histories.get(&terms.contract);
            facts.histories.extend(history.map(|known| (slot, *known)));
            let shut = self
                .scenario
                .shut
                .get(&(terms.contract.clone(), When::Ping));
            facts.shut.extend(shut.map(|shut| (slot, *shut)));
        }
        let mut round = PingRound::open(RoundOpening {
            book: Arc::clone(&self.book),
            rules: self.scenario.rules.clone(),
            context,
            screened,
            facts,
            kind: order.kind,
            min_payout: order.floor,
            now: self.now,
            deadline,
        });
        loop {
            let mut asked = Vec::new();
            while let Some(effect) = round.poll() {
                match effect {
                    PingEffect::Ping { slot, until } => {
                        let contract = self.name(slot);
                        if let Some(Does { reply, after }) = self.scenario.pings.remove(&contract) {
                            let input = PingInput::Reply { slot, reply };
                            self.after(after, Event::Ping(input));
                        }
                        asked.push((contract.to_string(), until));
                    }
                    PingEffect::Cancel { slot } => {
                        let contract = self.name(slot);
                        self.line(format!("{contract}: no answer, called off"));
                    }
                    PingEffect::WakeAt(at) => self.at(at, Event::Ping(PingInput::Tick)),
                    PingEffect::Ready => {
                        self.asked(&asked);
                        self.line("the others cannot come first");
                        return (round.so_far(), Some(round));
                    }
                    PingEffect::Joined => {}
                    PingEffect::Done => {
                        self.coming.clear();
                        return (round.finish(), None);
                    }
                }
            }
            self.asked(&asked);
            let Some(((at, _), Event::Ping(input))) = self.coming.pop_first() else {
                panic!("the round waits for nothing");
            };
            self.now = at;
            self.answered(&input);
            round.on(self.now, input);
        }
    }

    fn asked(&mut self, asked: &[(String, Mono)]) {
        if let Some((_, until)) = asked.first() {
            let names: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
            let names = names.join(", ");
            self.line(format!("ping {names}, until {}", words::at(*until)));
        }
    }

    fn answered(&mut self, input: &PingInput) {
        if let PingInput::Reply { slot, reply } = input {
            let contract = self.name(*slot);
            self.line(format!("{contract}: {}", words::ping_reply(reply)));
        }
    }

    /// Answers that come while the ladder is climbed.
    fn late(&mut self, pinging: &mut Option<PingRound>, input: PingInput) -> Option<LadderInput> {
        let round = pinging.as_mut()?;
        self.answered(&input);
        round.on(self.now, input);
        let mut joined = None;
        while let Some(effect) = pinging.as_mut().and_then(PingRound::poll) {
            match effect {
                PingEffect::Joined => joined = pinging.as_ref().map(|round| (round.so_far(), true)),
                PingEffect::Done => joined = pinging.take().map(|round| (round.finish(), false)),
                PingEffect::Cancel { slot } => {
                    let contract = self.name(slot);
                    self.line(format!("{contract}: no answer, called off"));
                }
                PingEffect::Ping { .. } | PingEffect::WakeAt(_) | PingEffect::Ready => {}
            }
        }
        let (round, more) = joined?;
        let rungs: Vec<String> = round.rungs.iter().map(words::rung).collect();
        self.line(format!("ladder: {}", rungs.join(", ")));
        Some(LadderInput::Joined { round, more })
    }

    fn quoted(&mut self, round: &Round) {
        match round.rungs.first() {
            Some(best) => self.line(format!("quote {}", best.payout)),
            None => self.line("no bid"),
        }
        self.lines.extend(words::waterfall(&round.waterfall));
        self.lines.push(String::new());
    }

    /// Between the ping and the post the catalog may have changed.
    fn change(&mut self) {
        let mut terms = self.book.terms().to_vec();
        let Scenario { gone, paused, .. } = &self.scenario;
        terms.retain(|terms| !gone.contains(&terms.contract));
        for terms in &mut terms {
            terms.on &= !paused.contains(&terms.contract);
        }
        self.book = Arc::new(Book::new(terms));
    }

    fn ladder(
        &mut self,
        round: Round,
        mut pinging: Option<PingRound>,
        quoted: bool,
        deadline: Mono,
    ) {
        let quote = round.rungs.first().filter(|_| quoted).map(|best| Quote {
            payout: best.payout,
            promise: self.scenario.rules.quote_promise,
            min_margin: self.scenario.rules.min_margin,
        });
        if let Some(quote) = quote {
            self.line(format!("post with the quote of {}", quote.payout));
        }
        let rules = self.scenario.later.clone();
        let rules = rules.unwrap_or_else(|| self.scenario.rules.clone());
        let rungs: Vec<String> = round.rungs.iter().map(words::rung).collect();
        if !rungs.is_empty() {
            self.line(format!("ladder: {}", rungs.join(", ")));
        }
        let mut ladder = PostLadder::open(Climb {
            lead: LeadId::from_bytes([7; 16]),
            fields: Arc::new(self.scenario.order.fields.clone()),
            book: Arc::clone(&self.book),
            context: self.context(),
            rungs: round.rungs,
            quote,
            min_payout: self.scenario.order.floor,
            waterfall: if quoted {
                Waterfall::default()
            } else {
                round.waterfall
            },
            more: pinging.is_some(),
            now: self.now,
            deadline,
            last_post: rules.last_post(self.arrived, deadline),
            rules,
        });
        self.at(deadline, Event::Deadline);
        let mut ended = None;
        loop {
            while let Some(effect) = ladder.poll() {
                if let LadderEffect::Done(fate) = effect {
                    return self.over(fate, ended, deadline);
                }
                if let LadderEffect::Record {
                    record: LadderRecord::Outcome { ended: end, .. },
                    ..
                } = &effect
                {
                    ended = Some(end.clone());
                }
                self.perform(effect);
            }
            let Some(((at, _), event)) = self.coming.pop_first() else {
                panic!("the ladder waits for nothing");
            };
            self.now = at;
            match event {
                Event::Deadline => self.line("the publisher hears: pending"),
                Event::Ladder(input) => {
                    self.tell(&input);
                    ladder.on(self.now, input);
                }
                Event::Ping(input) => {
                    if let Some(joined) = self.late(&mut pinging, input) {
                        ladder.on(self.now, joined);
                    }
                }
            }
        }
    }

    fn tell(&mut self, input: &LadderInput) {
        let told = match (input, self.posted.take()) {
            (LadderInput::Reply { reply, .. }, Some((contract, _))) => {
                Some(format!("{contract}: {}", words::post_reply(reply)))
            }
            (LadderInput::Tick, Some((contract, until))) if self.now >= until => {
                Some(format!("{contract}: no answer in time"))
            }
            (_, posted) => {
                self.posted = posted;
                words::told(input)
            }
        };
        told.into_iter().for_each(|told| self.line(told));
    }

    fn perform(&mut self, effect: LadderEffect) {
        match effect {
            LadderEffect::Hold {
                slot, reservation, ..
            } => {
                let leg = reservation.id.leg;
                let shut = self.scenario.shut.get(&(self.name(slot), When::Post));
                if let Some(shut) = shut.copied() {
                    let answer = LadderInput::Shut(reservation.id, shut);
                    return self.after(Duration::ZERO, Event::Ladder(answer));
                }
                self.line(format!("hold leg {leg}: {}", words::units(&reservation)));
                let answer = self.hold(&reservation);
                self.strike(&format!("hold {leg}"), STORE, answer, |_| {
                    LadderInput::HoldFailed(reservation.id)
                });
            }
            LadderEffect::Pin { id, first } => {
                let claim = if first { " and the claim" } else { "" };
                self.line(format!("pin leg {}{claim}", id.leg));
                if first && self.scenario.trouble.contains_key("claim") {
                    return self.after(STORE, Event::Ladder(LadderInput::ClaimLost));
                }
                let failed = |trouble| match trouble {
                    Trouble::Expires => LadderInput::PinExpired(id),
                    _ => LadderInput::PinFailed(id),
                };
                let answer = LadderInput::Pinned(id);
                self.strike(&format!("pin {}", id.leg), STORE, answer, failed);
            }
            LadderEffect::Record { n, record } => {
                let (what, ends) = words::record(&record, |slot| self.name(slot));
                self.line(format!("record {n}: {what}"));
                let ends = ends.iter().map(|end| format!("{:>21}{end}", ""));
                self.lines.extend(ends);
                let answer = LadderInput::Recorded(n);
                self.strike(&format!("record {n}"), LOG, answer, |_| {
                    LadderInput::RecordFailed(n)
                });
            }
            LadderEffect::Post {
                leg,
                slot,
                price,
                until,
                ..
            } => {
                let contract = self.name(slot);
                let read = format!("read until {}", words::at(until));
                self.line(format!("post leg {leg} to {contract} at {price}, {read}"));
                self.posted = Some((contract.clone(), until));
                if let Some(Does { reply, after }) = self.scenario.posts.remove(&contract) {
                    self.after(after, Event::Ladder(LadderInput::Reply { leg, reply }));
                }
            }
            LadderEffect::Commit(reservation) => {
                self.line(format!("commit leg {}", reservation.id.leg));
            }
            LadderEffect::Release(reservation, usage) => {
                let but = match usage {
                    Usage::Sent => " but for what counts posts",
                    Usage::Sold | Usage::Nothing => "",
                };
                let sent = |unit: &CounterUse| unit.is_used(usage);
                let but = if reservation.counters.iter().any(sent) {
                    but
                } else {
                    ""
                };
                self.line(format!("release leg {}{but}", reservation.id.leg));
            }
            LadderEffect::WakeAt(at) => self.at(at, Event::Ladder(LadderInput::Tick)),
            LadderEffect::Done(_) => {}
        }
    }

    /// Answers, unless the scenario has something else in store.
    fn strike(
        &mut self,
        what: &str,
        takes: Duration,
        answer: LadderInput,
        failed: impl Fn(Trouble) -> LadderInput,
    ) {
        let (takes, answer) = match self.scenario.trouble.get(what) {
            None => (takes, answer),
            Some(Trouble::Takes(longer)) => (*longer, answer),
            Some(trouble) => (takes, failed(trouble.clone())),
        };
        self.after(takes, Event::Ladder(answer));
    }

    fn hold(&self, reservation: &Reservation) -> LadderInput {
        let mut units = reservation.counters.iter();
        let full =
            units.find(|unit| self.scenario.used.of(&unit.key, 1) + unit.amount > unit.limit);
        match full {
            Some(unit) => LadderInput::HoldFull(reservation.id, unit.key.limit()),
            None => LadderInput::Held(reservation.id),
        }
    }

    fn over(&mut self, fate: Fate, ended: Option<Ended>, deadline: Mono) {
        let late = self.now > deadline;
        let answer = match (fate, &ended) {
            (Fate::Recorded, Some(ended)) => words::ended(ended),
            (Fate::Lost, _) => "whatever becomes of it elsewhere".to_owned(),
            (Fate::Recorded | Fate::Unrecorded, _) => "pending".to_owned(),
        };
        let how = if late {
            "in the end"
        } else {
            "the publisher hears"
        };
        self.line(format!("{how}: {answer}"));
        if let Some(ended) = &ended {
            self.lines.extend(words::waterfall(&ended.waterfall));
        }
    }
}
