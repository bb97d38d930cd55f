//! The book, read one line at a time by somebody slow: what must come of each contract.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use auction::{
    Facts, History, Kind, PingEffect, PingInput, PingMode, PingReply, Policy, Price, RankBy, Rules,
    Slot, Sources, Terms,
};
use domain::{ContractName, ContractReason, Micros, Mono, Payout};

use crate::draw::{Order, Wish};
use crate::life::{Happened, Life};
use crate::world::World;

/// Whether the static part takes a lead, of which at a ping the post's fields are not known.
/// `Ok(true)`: it hangs on one of those.
fn eligible(terms: &Terms, wish: Wish, order: &Order, whole: bool) -> Result<bool, ContractReason> {
    let texan = Some(order.texan);
    let owner = whole.then_some(order.owner);
    let failed = |field: &str| Err(ContractReason::Filtered(field.parse().unwrap()));
    let acme = order.publisher.as_str() == "acme";
    match &terms.sources {
        _ if !terms.on => Err(ContractReason::Paused),
        _ if terms.testing != order.test => Err(ContractReason::TestMismatch),
        Sources::Only(_) if !acme => Err(ContractReason::SourceBlocked),
        Sources::Except(_) if acme => Err(ContractReason::SourceBlocked),
        _ => match (wish, texan, owner) {
            (Wish::Texan | Wish::TexanOwner, Some(false), _) => failed("state"),
            (Wish::Owner | Wish::TexanOwner, _, Some(false)) => failed("owner"),
            (Wish::TexanOrOwner, Some(false), Some(false)) => failed("state"),
            (Wish::Owner | Wish::TexanOwner, _, None) => Ok(true),
            (Wish::TexanOrOwner, Some(false), None) => Ok(true),
            _ => Ok(false),
        },
    }
}

/// What a round must come to.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// Contracts that fail the static part, by reason.
    pub(crate) excluded: BTreeMap<ContractReason, u32>,
    /// What each other contract comes to: a price on the ladder, or a reason why not.
    pub(crate) rows: BTreeMap<ContractName, Result<Micros, ContractReason>>,
    /// Those of which a check waits for the whole lead.
    pub(crate) deferred: BTreeSet<ContractName>,
    /// Prices that are good enough, best first.
    pub(crate) ladder: Vec<ContractName>,
}

/// Answers to pings that came inside the window: what they were, and whether a bid still stood when
/// the round ended.
pub(crate) type Answers = BTreeMap<ContractName, (PingReply, bool)>;

fn round(world: &World, life: &Life, answers: &Answers) -> Expected {
    let (rules, order, facts) = (&world.rules, &life.order, &life.facts);
    let mut expected = Expected::default();
    let mut ladder = Vec::new();
    for (slot, terms) in world.book.terms.iter().enumerate() {
        let whole = order.kind == Kind::Direct;
        match eligible(terms, world.wishes[&terms.contract], order, whole) {
            Err(reason) => {
                *expected.excluded.entry(reason).or_default() += 1;
                continue;
            }
            Ok(true) => drop(expected.deferred.insert(terms.contract.clone())),
            Ok(false) => {}
        }
        let result = price(terms, rules, order, facts, answers.get(&terms.contract));
        if let Ok(price) = &result {
            ladder.push((
                place(rules, facts, slot, terms, *price),
                terms.contract.clone(),
            ));
        }
        expected.rows.insert(terms.contract.clone(), result);
    }
    ladder.sort();
    expected.ladder = ladder.into_iter().map(|(_, name)| name).collect();
    expected
}

/// What the publisher normally gets, in micros.
pub(crate) fn payout(rules: &Rules, terms: &Terms, price: i64) -> i64 {
    let margin = match (rules.payout, terms.margin) {
        (Payout::Fixed(payout), _) => return payout.get(),
        (Payout::Margin(_), Some(own)) => own.get(),
        (Payout::Margin(margin), None) => margin.get(),
    };
    let payout = i128::from(price) * i128::from(1_000_000 - margin) / 1_000_000;
    i64::try_from(payout).unwrap()
}

/// Numbers that are smaller the earlier a bid comes, the first one that differs deciding.
fn place(rules: &Rules, facts: &Facts, slot: usize, terms: &Terms, price: Micros) -> [i128; 5] {
    let known = facts.histories.iter().find(|(at, _)| *at == Slot(slot));
    let History { acceptance, turn } = known.map_or_else(History::default, |(_, known)| *known);
    let posts = i128::from(acceptance.posts) + 10 * 1024;
    let penalty = i128::from(acceptance.rejected) * 1_000_000 / posts;
    let payout = payout(rules, terms, price.get());
    let whole = match rules.rank_by {
        RankBy::Revenue => price.get(),
        RankBy::Payout => payout,
        RankBy::Margin => price.get() - payout,
    };
    let share = if rules.penalty {
        1_000_000 - penalty
    } else {
        1_000_000
    };
    let worth = i128::from(whole) * share / 1_000_000;
    let (first, second) = match rules.policy {
        Policy::Highest => (-worth, 0),
        Policy::Priority => (-i128::from(terms.priority), -worth),
        Policy::RoundRobin => (i128::from(turn), -worth),
    };
    let tie = -i128::from(terms.priority);
    [terms.tier.into(), first, second, tie, penalty]
}

fn price(
    terms: &Terms,
    rules: &Rules,
    order: &Order,
    facts: &Facts,
    answer: Option<&(PingReply, bool)>,
) -> Result<Micros, ContractReason> {
    let pays = |price: Micros| {
        let payout = payout(rules, terms, price.get());
        payout >= order.min_payout.get() && price.get() - payout >= rules.min_margin.get()
    };
    let most = match terms.price {
        Price::Fixed(price) => price,
        Price::Bid { max, .. } => max,
    };
    if !pays(most) {
        return Err(ContractReason::BelowFloor);
    }
    for cap in &terms.caps {
        let prefix = format!("{}/{}", terms.contract, &cap.window.as_str()[..1]);
        let used = facts
            .used
            .iter()
            .find(|(name, _)| name.starts_with(&prefix));
        if used.is_some_and(|(_, used)| *used >= cap.leads) || cap.leads == 0 {
            return Err(ContractReason::Cap(cap.window));
        }
    }
    let bid = match (terms.ping, answer) {
        (PingMode::None, _) => most,
        (PingMode::Bid, _) if window(rules, order).is_zero() => return Err(ContractReason::NoTime),
        (PingMode::Bid, None) => return Err(ContractReason::PingTimeout),
        (PingMode::Bid, Some((PingReply::Bid { price, .. }, stands))) => match terms.price {
            Price::Bid { min, .. } if *price < min || price.get() <= 0 => {
                return Err(ContractReason::BelowFloor);
            }
            _ if !stands => return Err(ContractReason::BidExpired),
            Price::Bid { max, .. } => (*price).min(max),
            Price::Fixed(price) => price,
        },
        (PingMode::Bid, Some((PingReply::NoBid, _))) => return Err(ContractReason::NoBid),
        (PingMode::Bid, Some((PingReply::Throttled, _))) => return Err(ContractReason::Throttled),
        (PingMode::Bid, Some((PingReply::Bad, _))) => return Err(ContractReason::BadResponse),
        (PingMode::Bid, Some((PingReply::Error, _))) => return Err(ContractReason::PingError),
    };
    if pays(bid) {
        Ok(bid)
    } else {
        Err(ContractReason::BelowFloor)
    }
}

impl World {
    /// What the slow reader makes of a life's round.
    pub(crate) fn expected(&self, life: &Life) -> Expected {
        round(self, life, &self.answers(life))
    }

    /// Whether the book of the moment takes the whole lead.
    pub(crate) fn eligible(
        &self,
        life: &Life,
        contract: &ContractName,
    ) -> Result<bool, ContractReason> {
        let terms = life.book.terms.iter();
        let mut terms = terms.filter(|terms| terms.contract == *contract);
        let terms = terms.next().ok_or(ContractReason::Paused)?;
        eligible(terms, self.wishes[contract], &life.order, true)
    }

    /// The first answer of each contract that came inside the window.
    pub(crate) fn answers(&self, life: &Life) -> Answers {
        let mut window_end = Mono::from_micros(0);
        let mut answers: BTreeMap<ContractName, (PingReply, Mono)> = BTreeMap::new();
        let mut ended = window_end;
        for (at, what) in &life.history {
            match what {
                Happened::Round(PingEffect::WakeAt(end)) => window_end = *end,
                Happened::Answered(PingInput::Reply { slot, reply }) if *at < window_end => {
                    let contract = self.book.get(*slot).unwrap().contract.clone();
                    answers.entry(contract).or_insert((reply.clone(), *at));
                }
                Happened::Round(PingEffect::Done) => ended = *at,
                _ => {}
            }
        }
        let stands = |reply: &PingReply, at: Mono| match reply {
            PingReply::Bid {
                expires_in: Some(span),
                ..
            } => at.plus(*span) > ended,
            _ => true,
        };
        let answers = answers.into_iter();
        answers
            .map(|(contract, (reply, at))| {
                let stands = stands(&reply, at);
                (contract, (reply, stands))
            })
            .collect()
    }
}

/// How long pings are awaited: the campaign's time, or what the deadline leaves.
pub(crate) fn window(rules: &Rules, order: &Order) -> Duration {
    let for_posts = match order.kind {
        Kind::Ping => Duration::ZERO,
        Kind::Direct => order.tmax / 2,
    };
    let left = order
        .tmax
        .saturating_sub(for_posts)
        .saturating_sub(rules.answer_reserve);
    left.min(rules.ping_timeout)
}
