//! A small world around the machines: publishers, buyers, a store of caps and a log that fail now and
//! then, all in an order drawn from a seed. It judges nothing; it remembers everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use auction::{
    Book, Climb, Context, Facts, Kind, LadderEffect, LadderInput, LadderRecord, PingEffect,
    PingInput, PingReply, PingRound, PostLadder, PostReply, Quote, Round, RoundOpening, Rules,
    Slot, Unsent, Waterfall, screen,
};
use domain::{ContractName, LeadId, Micros, Mono, Timestamp};

use crate::caps::Caps;
use crate::draw::{self, Draw, Order, Wants};
use crate::life::{Happened, Life};

/// 2026-09-21T14:13:58Z, a Monday: the minute is full after two seconds.
const START: Timestamp = Timestamp::from_micros(1_790_000_038_000_000);

/// What is going to happen to a lead.
#[derive(Debug, Clone)]
enum Event {
    Arrives,
    Answer(PingInput),
    QuoteIsPosted,
    Tell(LadderInput),
}

/// All of it.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) book: Arc<Book>,
    pub(crate) rules: Rules,
    /// The rules that are in force when quotes are posted.
    pub(crate) later: Rules,
    pub(crate) wishes: BTreeMap<ContractName, Wants>,
    pub(crate) lives: Vec<Life>,
    pub(crate) caps: Caps,
    /// Some contracts leave the book, or pause, at this time.
    changes: (Mono, Arc<Book>),
    draw: Draw,
    now: Mono,
    queue: BTreeMap<(Mono, u64), (usize, Event)>,
    scheduled: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut draw = Draw(seed);
        let (book, later, wishes) = draw::books(&mut draw);
        let rules = draw::rules(&mut draw);
        let rules_later = Rules {
            payout: rules.payout,
            answer_reserve: rules.answer_reserve,
            after_tmax: rules.after_tmax,
            max_posts: rules.max_posts,
            limits: rules.limits.clone(),
            ..draw::rules(&mut draw)
        };
        let changes = Mono::from_micros(0).plus(draw.millis(4_000));
        let orders: Vec<Order> = (0..3 + draw.below(8))
            .map(|_| Order::draw(&mut draw))
            .collect();
        let mut world = Self {
            seed,
            book,
            rules,
            later: rules_later,
            wishes,
            lives: Vec::new(),
            caps: Caps::default(),
            changes: (changes, later),
            draw,
            now: Mono::from_micros(0),
            queue: BTreeMap::new(),
            scheduled: 0,
        };
        for (number, order) in orders.into_iter().enumerate() {
            world.admit(number, order);
        }
        world
    }

    fn admit(&mut self, number: usize, order: Order) {
        let arrived = self.now.plus(order.starts);
        self.at(arrived, number, Event::Arrives);
        self.lives.push(Life {
            lead: LeadId::from_bytes((number as u128 + 1).to_be_bytes()),
            facts: Facts::default(),
            book: Arc::clone(&self.book),
            arrived,
            deadline: arrived.plus(order.tmax),
            posted_at: arrived,
            round: None,
            first: None,
            climbed: None,
            history: Vec::new(),
            fields: order.fields(),
            pinging: None,
            ladder: None,
            order,
        });
    }

    pub(crate) fn run(mut self) -> Self {
        while self.step() {}
        self
    }

    /// One event; false when there is none left.
    pub(crate) fn step(&mut self) -> bool {
        let Some(((at, _), (of, event))) = self.queue.pop_first() else {
            return false;
        };
        self.now = at;
        self.caps.expire(self.wall(self.now));
        match event {
            Event::Arrives => self.open_round(of),
            Event::QuoteIsPosted => self.open_ladder(of),
            Event::Answer(input) => {
                self.note(of, Happened::Answered(input.clone()));
                if let Some(round) = &mut self.lives[of].pinging {
                    round.on(self.now, input);
                }
                self.drain_round(of);
            }
            Event::Tell(input) => {
                self.note(of, Happened::Told(input.clone()));
                if let Some(ladder) = &mut self.lives[of].ladder {
                    ladder.on(self.now, input);
                }
                self.drain_ladder(of);
            }
        }
        true
    }

    fn at(&mut self, at: Mono, of: usize, event: Event) {
        self.scheduled += 1;
        // What falls on the same moment comes in any order.
        let order = (self.draw.next() << 20) | self.scheduled;
        self.queue.insert((at, order), (of, event));
    }

    /// Something comes back after a while, and now and then it comes twice.
    fn after(&mut self, delay: Duration, of: usize, event: Event) {
        if self.draw.chance(8) {
            let later = self.now.plus(delay).plus(self.draw.millis(300));
            self.at(later, of, event.clone());
        }
        self.at(self.now.plus(delay), of, event);
    }

    /// A store or the log answers: at once, or after a stall.
    fn replies(&mut self, of: usize, input: LadderInput) {
        let stalls = self.draw.chance(2);
        let delay = self.draw.millis(if stalls { 2_000 } else { 3 });
        self.after(delay, of, Event::Tell(input));
    }

    fn note(&mut self, of: usize, what: Happened) {
        self.lives[of].history.push((self.now, what));
    }

    pub(crate) fn wall(&self, at: Mono) -> Timestamp {
        START.plus(at.since(Mono::from_micros(0)))
    }

    pub(crate) fn context(&self, life: &Life, at: Mono) -> Context {
        let order = &life.order;
        let sub = order.sub.map(|value| ("s1".to_owned(), value.to_owned()));
        Context {
            sub: Arc::new(sub.into_iter().collect()),
            exclude: Arc::new(order.exclude.clone()),
            already_sold: order.already_sold,
            test: order.test,
            ..Context::new(order.publisher.clone(), self.wall(at))
        }
    }

    /// The round of a lead as it opened, under these rules.
    pub(crate) fn round_of(&self, life: &Life, rules: Rules) -> PingRound {
        let context = self.context(life, life.arrived);
        let screened = screen(&self.book, &context, life.view());
        PingRound::open(RoundOpening {
            book: Arc::clone(&self.book),
            rules,
            context,
            screened,
            facts: life.facts.clone(),
            kind: life.order.kind,
            min_payout: life.order.min_payout,
            now: life.arrived,
            deadline: life.arrived.plus(life.order.tmax),
        })
    }

    fn open_round(&mut self, of: usize) {
        let life = &self.lives[of];
        let context = self.context(&self.lives[of], self.now);
        let screened = screen(&self.book, &context, life.view());
        let counters = screened.counters(&self.book, &self.rules, &context);
        let used = counters.into_iter().map(|counter| {
            let used = self.caps.used(&counter);
            (counter, used)
        });
        let facts = Facts {
            used: used.collect(),
            histories: draw::histories(&mut self.draw, &screened),
            shut: draw::shut(&mut self.draw, &screened),
        };
        self.lives[of].facts = facts;
        let round = self.round_of(&self.lives[of], self.rules.clone());
        let life = &mut self.lives[of];
        life.pinging = Some(round);
        self.drain_round(of);
    }

    fn drain_round(&mut self, of: usize) {
        while let Some(effect) = self.lives[of].pinging.as_mut().and_then(PingRound::poll) {
            self.note(of, Happened::Round(effect.clone()));
            match effect {
                PingEffect::Ping { slot, .. } => self.pinged(of, slot),
                PingEffect::Cancel { .. } => {}
                PingEffect::WakeAt(at) => self.at(at, of, Event::Answer(PingInput::Tick)),
                PingEffect::Ready => {
                    let round = self.lives[of].pinging.as_ref().map(PingRound::so_far);
                    self.lives[of].round = round;
                    self.open_ladder(of);
                }
                PingEffect::Joined => {
                    let round = self.lives[of].pinging.as_ref().map(PingRound::so_far);
                    self.joined(of, round.unwrap(), true);
                }
                PingEffect::Done => self.round_ended(of),
            }
        }
    }

    fn pinged(&mut self, of: usize, slot: Slot) {
        if self.draw.chance(5) {
            return;
        }
        let reply = match self.draw.below(20) {
            0 => PingReply::Error,
            1 => PingReply::Bad,
            2 => PingReply::Throttled,
            3..6 => PingReply::NoBid,
            6..8 => PingReply::Accept {
                bid_id: None,
                expires_in: self.draw.chance(30).then(|| self.draw.millis(600)),
            },
            _ => PingReply::Bid {
                price: self.draw.amount(20),
                bid_id: None,
                expires_in: self.draw.chance(30).then(|| self.draw.millis(600)),
            },
        };
        let slow = self.draw.chance(12);
        let delay = self.draw.millis(if slow { 4_000 } else { 60 });
        let answer = |reply| Event::Answer(PingInput::Reply { slot, reply });
        if self.draw.chance(5) {
            // It changes its mind, too late.
            let second = self.now.plus(delay).plus(self.draw.millis(20));
            self.at(second, of, answer(PingReply::NoBid));
        }
        self.after(delay, of, answer(reply));
    }

    fn round_ended(&mut self, of: usize) {
        let life = &mut self.lives[of];
        let Some(round) = life.pinging.take().map(PingRound::finish) else {
            return;
        };
        if life.ladder.is_some() {
            return self.joined(of, round, false);
        }
        let quoted = !round.rungs.is_empty();
        life.round = Some(round);
        match (life.order.kind, life.order.posts) {
            (Kind::Direct, _) => self.open_ladder(of),
            (Kind::Ping, Some((after, tmax))) if quoted => {
                let at = self.now.plus(after);
                life.deadline = at.plus(tmax);
                life.posted_at = at;
                self.at(at, of, Event::QuoteIsPosted);
            }
            (Kind::Ping, _) => {}
        }
    }

    /// The round goes on beside the ladder, even when that has ended: so it is known what the full wait
    /// would have come to.
    fn joined(&mut self, of: usize, round: Round, more: bool) {
        let life = &mut self.lives[of];
        life.round = Some(round.clone());
        if !life.closes() {
            life.climbed = Some(round.clone());
        }
        let input = LadderInput::Joined { round, more };
        self.note(of, Happened::Told(input.clone()));
        if let Some(ladder) = &mut self.lives[of].ladder {
            ladder.on(self.now, input);
        }
        self.drain_ladder(of);
    }

    fn open_ladder(&mut self, of: usize) {
        let context = self.context(&self.lives[of], self.now);
        let (changes, later) = &self.changes;
        let life = &mut self.lives[of];
        let Some(round) = life.round.clone() else {
            return;
        };
        life.first = round.rungs.first().cloned();
        life.climbed = Some(round.clone());
        let quote = life.quoted().map(|payout| Quote {
            payout,
            promise: self.rules.quote_promise,
            min_margin: self.rules.min_margin,
        });
        if quote.is_some() && self.now >= *changes {
            life.book = Arc::clone(later);
        }
        life.ladder = Some(PostLadder::open(Climb {
            lead: life.lead,
            fields: Arc::clone(&life.fields),
            book: Arc::clone(&life.book),
            // What was promised stands, whatever the catalog says by now.
            rules: match quote {
                Some(_) => self.later.clone(),
                None => self.rules.clone(),
            },
            context,
            rungs: round.rungs,
            quote,
            min_payout: life.order.min_payout,
            waterfall: match quote {
                Some(_) => Waterfall::default(),
                None => round.waterfall,
            },
            more: life.pinging.is_some(),
            now: self.now,
            deadline: life.deadline,
            last_post: life.last_post(&self.rules),
        }));
        self.drain_ladder(of);
    }

    fn drain_ladder(&mut self, of: usize) {
        while let Some(effect) = self.lives[of].ladder.as_mut().and_then(PostLadder::poll) {
            self.note(of, Happened::Ladder(effect.clone()));
            match effect {
                LadderEffect::Hold {
                    reservation, until, ..
                } => {
                    let id = reservation.id;
                    if let Some(shut) = draw::shut_now(&mut self.draw) {
                        self.replies(of, LadderInput::Shut(id, shut));
                        continue;
                    }
                    let full = self.caps.hold(&reservation, until);
                    let input = match full {
                        _ if self.draw.chance(1) => LadderInput::HoldFailed(id),
                        None => LadderInput::Held(id),
                        Some(window) => LadderInput::HoldFull(id, window),
                    };
                    self.replies(of, input);
                }
                LadderEffect::Pin { id, first } => {
                    let input = match self.draw.below(60) {
                        0 if first => LadderInput::ClaimLost,
                        1 => {
                            let _whether =
                                self.draw.chance(50) && self.caps.pin(id, self.wall(self.now));
                            LadderInput::PinFailed(id)
                        }
                        // The store's clock may be ahead.
                        2 => {
                            self.caps.expire(Timestamp::from_micros(i64::MAX));
                            LadderInput::PinExpired(id)
                        }
                        _ if self.caps.pin(id, self.wall(self.now)) => LadderInput::Pinned(id),
                        _ => LadderInput::PinExpired(id),
                    };
                    self.replies(of, input);
                }
                LadderEffect::Record { n, record } => {
                    // A later posting says how earlier legs ended: often refused, so that somebody else has to.
                    let later = n > 1 && matches!(record, LadderRecord::Posting { .. });
                    let input = if self.draw.chance(if later { 20 } else { 4 }) {
                        LadderInput::RecordFailed(n)
                    } else {
                        LadderInput::Recorded(n)
                    };
                    self.replies(of, input);
                }
                LadderEffect::Post {
                    leg, slot, price, ..
                } => self.bought(of, leg, slot, price),
                LadderEffect::Commit(reservation) => self.caps.commit(&reservation),
                LadderEffect::Release(reservation, usage) => self.caps.release(&reservation, usage),
                LadderEffect::WakeAt(at) => self.at(at, of, Event::Tell(LadderInput::Tick)),
                LadderEffect::Done(_) => {}
            }
        }
    }

    /// The buyer decides; what we hear of it is another matter.
    fn bought(&mut self, of: usize, leg: u16, slot: Slot, price: Micros) {
        let accepted = PostReply::Accepted {
            reference: None,
            price: self.draw.chance(30).then(|| self.draw.amount(20)),
            redirect_url: None,
        };
        let settle_by = self
            .draw
            .chance(50)
            .then(|| self.wall(self.now).plus(self.draw.millis(9_000)));
        let (reply, took) = match self.draw.below(20) {
            0 => (Some(PostReply::Unclear), self.draw.chance(50)),
            1 => (None, self.draw.chance(50)),
            2 => (Some(PostReply::Pending { settle_by }), self.draw.chance(50)),
            3 => (Some(PostReply::Duplicate), false),
            4 => {
                let why = self.draw.chance(50);
                let why = if why {
                    Unsent::TimedOut
                } else {
                    Unsent::Failed
                };
                (Some(PostReply::NotSent(why)), false)
            }
            5 => (Some(PostReply::Throttled), false),
            6..12 => (Some(PostReply::Rejected), false),
            _ => (Some(accepted), true),
        };
        if took {
            let contract = self.lives[of].contract(slot).clone();
            self.note(of, Happened::Took(contract, price));
        }
        if let Some(reply) = reply {
            let slow = self.draw.chance(10);
            let delay = self.draw.millis(if slow { 3_000 } else { 80 });
            self.after(delay, of, Event::Tell(LadderInput::Reply { leg, reply }));
        }
    }
}
