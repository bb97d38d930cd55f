//! One lead of a world: what was decided for it, and all that happened to it, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use auction::{
    AfterTmax, Book, Ended, Facts, Fate, Kind, LadderEffect, LadderInput, LadderRecord, LeadView,
    LegReply, PingEffect, PingInput, PingRound, PostLadder, PostReply, Round, Rules, Rung, Slot,
};
use domain::{ContractName, ContractReason, FullLead, LeadId, LegState, Micros, Mono};

use crate::draw::Order;

/// What has happened to a lead.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happened {
    Round(PingEffect),
    Answered(PingInput),
    Ladder(LadderEffect),
    Told(LadderInput),
    /// The buyer has the lead at this price, whatever we hear of it.
    Took(ContractName, Micros),
}

/// A post that left.
pub(crate) struct Posted {
    /// Its place in the history.
    pub(crate) index: usize,
    pub(crate) at: Mono,
    pub(crate) leg: u16,
    pub(crate) slot: Slot,
    pub(crate) contract: ContractName,
    pub(crate) price: Micros,
    pub(crate) until: Mono,
}

/// One lead, or one ping that never became a lead.
pub(crate) struct Life {
    pub(crate) lead: LeadId,
    pub(crate) order: Order,
    pub(crate) facts: Facts,
    /// The book its ladder goes by.
    pub(crate) book: Arc<Book>,
    pub(crate) arrived: Mono,
    /// When the publisher stops waiting for the post.
    pub(crate) deadline: Mono,
    /// When the post arrived, which is later than its ping.
    pub(crate) posted_at: Mono,
    pub(crate) round: Option<Round>,
    /// Who came first when its ladder opened.
    pub(crate) first: Option<Rung>,
    /// What its ladder knew of the round when it ended.
    pub(crate) climbed: Option<Round>,
    pub(crate) history: Vec<(Mono, Happened)>,
    pub(crate) fields: Arc<FullLead>,
    pub(crate) pinging: Option<PingRound>,
    pub(crate) ladder: Option<PostLadder>,
}

impl Life {
    /// The lead as far as its round knows it.
    pub(crate) fn view(&self) -> LeadView<'_> {
        match self.order.kind {
            Kind::Ping => LeadView::Ping(&self.fields.ping),
            Kind::Direct => LeadView::Full(&self.fields),
        }
    }

    /// When a leg was held: its contract is checked right before.
    pub(crate) fn held_at(&self, leg: u16) -> Option<Mono> {
        self.effects().find_map(|(at, effect)| match effect {
            LadderEffect::Hold { reservation, .. } if reservation.id.leg == leg => Some(at),
            _ => None,
        })
    }

    pub(crate) fn quoted(&self) -> Option<Micros> {
        let best = self.round.as_ref()?.rungs.first()?;
        (self.order.kind == Kind::Ping).then_some(best.payout)
    }

    /// No post starts later than its reserve before this.
    pub(crate) fn last_post(&self, rules: &Rules) -> Mono {
        let later = match rules.after_tmax {
            AfterTmax::Settle => self.posted_at,
            AfterTmax::Continue { ladder_deadline } => self.posted_at.plus(ladder_deadline),
        };
        self.deadline.max(later)
    }

    /// Whether its outcome is on its way to the log.
    pub(crate) fn closes(&self) -> bool {
        self.effects().any(|(_, effect)| {
            let LadderEffect::Record { record, .. } = effect else {
                return false;
            };
            ended(record).is_some()
        })
    }

    pub(crate) fn posted(&self) -> bool {
        self.ladder.is_some()
    }

    pub(crate) fn effects(&self) -> impl Iterator<Item = (Mono, &LadderEffect)> {
        self.history.iter().filter_map(|(at, what)| match what {
            Happened::Ladder(effect) => Some((*at, effect)),
            _ => None,
        })
    }

    pub(crate) fn fates(&self) -> Vec<Fate> {
        let fates = self.effects().filter_map(|(_, effect)| match effect {
            LadderEffect::Done(fate) => Some(*fate),
            _ => None,
        });
        fates.collect()
    }

    pub(crate) fn took(&self) -> impl Iterator<Item = (&ContractName, Micros)> {
        self.history.iter().filter_map(|(_, what)| match what {
            Happened::Took(contract, price) => Some((contract, *price)),
            _ => None,
        })
    }

    /// The records that had been acknowledged before the `until`th thing happened.
    pub(crate) fn acknowledged(&self, until: usize) -> Vec<&LadderRecord> {
        let before = &self.history[..until];
        let records = before.iter().filter_map(|(_, what)| match what {
            Happened::Ladder(LadderEffect::Record { n, record }) => Some((*n, record)),
            _ => None,
        });
        let told = |n| {
            let recorded = Happened::Told(LadderInput::Recorded(n));
            before.iter().any(|(_, what)| *what == recorded)
        };
        records
            .filter(|(n, _)| told(*n))
            .map(|(_, record)| record)
            .collect()
    }

    /// The acknowledged outcomes.
    pub(crate) fn outcomes(&self) -> Vec<&Ended> {
        let all = self.acknowledged(self.history.len());
        all.into_iter().filter_map(ended).collect()
    }

    /// The legs of which a record that was acknowledged by then says how they ended.
    pub(crate) fn ended_legs(&self, until: usize) -> BTreeMap<u16, LegState> {
        let replies = self.replies(until).into_iter();
        replies.map(|(leg, reply)| (leg, reply.state)).collect()
    }

    /// How legs ended, as far as a record says that was acknowledged by then.
    pub(crate) fn replies(&self, until: usize) -> BTreeMap<u16, &LegReply> {
        let records = self.acknowledged(until).into_iter();
        let replies = records.flat_map(|record| match record {
            LadderRecord::Posting { replies, .. } | LadderRecord::Outcome { replies, .. } => {
                replies
            }
        });
        replies.map(|reply| (reply.leg, reply)).collect()
    }

    /// The contracts that were given up in doubt.
    pub(crate) fn abandoned(&self) -> BTreeSet<ContractName> {
        let replies = self.replies(self.history.len());
        let posts = self.posts().into_iter();
        let void = posts.filter(|post| {
            let reply = replies.get(&post.leg);
            reply.is_some_and(|reply| reply.reason == ContractReason::Abandoned)
        });
        void.map(|post| post.contract).collect()
    }

    /// Its posts, in order.
    pub(crate) fn posts(&self) -> Vec<Posted> {
        let history = self.history.iter().enumerate();
        let posts = history.filter_map(|(index, (at, what))| match what {
            Happened::Ladder(LadderEffect::Post {
                leg,
                slot,
                price,
                until,
                ..
            }) => Some(Posted {
                price: *price,
                index,
                at: *at,
                leg: *leg,
                slot: *slot,
                contract: self.contract(*slot).clone(),
                until: *until,
            }),
            _ => None,
        });
        posts.collect()
    }

    /// Whether the post of a leg left: nobody told the ladder by then that nothing was sent.
    pub(crate) fn left(&self, leg: u16, until: usize) -> bool {
        let unsent = |what: &Happened| {
            let Happened::Told(LadderInput::Reply { leg: of, reply }) = what else {
                return false;
            };
            *of == leg && matches!(reply, PostReply::NotSent(_))
        };
        let posted = self.posts().iter().any(|post| post.leg == leg);
        posted && self.history[..until].iter().all(|(_, what)| !unsent(what))
    }

    pub(crate) fn contract(&self, slot: Slot) -> &ContractName {
        &self.book.get(slot).unwrap().contract
    }
}

fn ended(record: &LadderRecord) -> Option<&Ended> {
    match record {
        LadderRecord::Outcome { ended, .. } => Some(ended),
        LadderRecord::Posting { .. } => None,
    }
}
