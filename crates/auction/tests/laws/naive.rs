//! The book, read one line at a time by somebody slow: what must come of each contract.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use auction::{
    Cap, CapSize, Facts, History, Kind, PingEffect, PingInput, PingMode, PingReply, Policy, Price,
    RankBy, Rules, Shut, Slot, Terms,
};
use domain::{
    BuyerName, CapWindow, ContractName, ContractReason, CounterKey, CounterOwner, Counts, Micros,
    Mono, Payout, PublisherName, Timestamp,
};

use crate::draw::{FULL_MINUTE, From, Order, Wants, When, Wish};
use crate::life::{Happened, Life};
use crate::world::World;

/// Whether the static part takes a lead at a time, of which at a ping the post's fields are not
/// known. `Ok(true)`: it hangs on one of those.
fn eligible(
    terms: &Terms,
    wants: Wants,
    order: &Order,
    whole: bool,
    at: Timestamp,
) -> Result<bool, ContractReason> {
    let acme = order.publisher.as_str() == "acme";
    let acmes_a = acme && order.sub == Some("a");
    let full = at.as_micros() / 1_000_000 % 86_400 >= i64::from(FULL_MINUTE) * 60;
    if !terms.on {
        return Err(ContractReason::Paused);
    }
    if terms.testing != order.test {
        return Err(ContractReason::TestMismatch);
    }
    if order.exclude.contains(&terms.buyer) {
        return Err(ContractReason::ExcludedByPublisher);
    }
    if order.already_sold > wants.already_sold {
        return Err(ContractReason::Incompatible);
    }
    match wants.when {
        When::Before if full => return Err(ContractReason::Schedule),
        When::After if !full => return Err(ContractReason::Schedule),
        When::NotToday => return Err(ContractReason::Schedule),
        When::Always | When::Before | When::After => {}
    }
    match wants.from {
        From::OnlyAcme if !acme => return Err(ContractReason::SourceBlocked),
        From::AllButAcme if acme => return Err(ContractReason::SourceBlocked),
        From::OnlyAcmesA if !acmes_a => return Err(ContractReason::SourceBlocked),
        From::AllButAcmesA if acmes_a => return Err(ContractReason::SourceBlocked),
        _ => {}
    }
    let owner = whole.then_some(order.owner);
    let failed = |field: &str| Err(ContractReason::Filtered(field.parse().unwrap()));
    let mut waits = match (wants.filter, order.texan, owner) {
        (Wish::Texan | Wish::TexanOwner, false, _) => return failed("state"),
        (Wish::Owner | Wish::TexanOwner, _, Some(false)) => return failed("owner"),
        (Wish::TexanOrOwner, false, Some(false)) => return failed("state"),
        (Wish::Owner | Wish::TexanOwner, _, None) => true,
        (Wish::TexanOrOwner, false, None) => true,
        _ => false,
    };
    if wants.texas_only && !order.texan {
        return Err(ContractReason::Geo);
    }
    if let Some(below) = wants.zips_below {
        match order.zip {
            Some((zip, in_ping)) if whole || in_ping => {
                if zip >= below {
                    return Err(ContractReason::Geo);
                }
            }
            None if whole => return Err(ContractReason::Geo),
            _ => waits = true,
        }
    }
    Ok(waits)
}

/// What the contract names by itself, and whether that hangs on a field of the post: then it is
/// the least that it may turn out to be.
fn named(terms: &Terms, wants: Wants, order: &Order, whole: bool) -> Option<(Micros, bool)> {
    let Some([owners, texans, others]) = wants.rules else {
        return match terms.price {
            Price::Fixed(price) => Some((price, false)),
            _ => None,
        };
    };
    let without = if order.texan { texans } else { others };
    Some(match (whole, order.owner) {
        (true, true) => (owners, false),
        (true, false) => (without, false),
        (false, _) => (owners.min(without), true),
    })
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
    for (slot, terms) in world.book.terms().iter().enumerate() {
        let whole = order.kind == Kind::Direct;
        let wants = world.wishes[&terms.contract];
        let named = named(terms, wants, order, whole);
        match eligible(terms, wants, order, whole, world.wall(life.arrived)) {
            Err(reason) => {
                *expected.excluded.entry(reason).or_default() += 1;
                continue;
            }
            Ok(waits) if waits || named.is_some_and(|(_, waits)| waits) => {
                expected.deferred.insert(terms.contract.clone());
            }
            Ok(_) => {}
        }
        let named = named.map(|(price, _)| price);
        let answer = answers.get(&terms.contract);
        let mut shut = facts.shut.iter().filter(|(at, _)| *at == Slot(slot));
        let result = match shut.next() {
            Some((_, Shut::Breaker)) => Err(ContractReason::BreakerOpen),
            Some((_, Shut::Rate)) => Err(ContractReason::Throttled),
            None => price(terms, named, rules, order, facts, answer),
        };
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
    named: Option<Micros>,
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
        Price::Bid { max, .. } => max,
        Price::Fixed(_) | Price::Rules(_) => named.unwrap(),
    };
    if !pays(most) {
        return Err(ContractReason::BelowFloor);
    }
    let full = |price: Micros| full(terms, rules, order, facts, price).map_or(Ok(()), Err);
    full(match terms.price {
        Price::Bid { min, .. } => min.max(Micros::new(1)),
        Price::Fixed(_) | Price::Rules(_) => most,
    })?;
    let bid = match (terms.ping, answer) {
        (PingMode::None, _) => most,
        (_, _) if window(rules, order).is_zero() => return Err(ContractReason::NoTime),
        (_, None) => return Err(ContractReason::PingTimeout),
        (PingMode::Bid, Some((PingReply::Accept { .. }, _))) => {
            return Err(ContractReason::BadResponse);
        }
        (_, Some((PingReply::Accept { .. }, false))) => return Err(ContractReason::BidExpired),
        (_, Some((PingReply::Accept { .. }, true))) => most,
        (_, Some((PingReply::Bid { price, .. }, stands))) => {
            let price = match terms.price {
                Price::Bid { min, .. } if *price < min || price.get() <= 0 => {
                    return Err(ContractReason::BelowFloor);
                }
                Price::Bid { max, .. } => (*price).min(max),
                Price::Fixed(_) | Price::Rules(_) => most,
            };
            full(price)?;
            if !stands {
                return Err(ContractReason::BidExpired);
            }
            price
        }
        (_, Some((PingReply::NoBid, _))) => return Err(ContractReason::NoBid),
        (_, Some((PingReply::Throttled, _))) => return Err(ContractReason::Throttled),
        (_, Some((PingReply::Bad, _))) => return Err(ContractReason::BadResponse),
        (_, Some((PingReply::Error, _))) => return Err(ContractReason::PingError),
    };
    if pays(bid) {
        Ok(bid)
    } else {
        Err(ContractReason::BelowFloor)
    }
}

/// A cap or a balance, and whose leads it counts.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    buyer: Option<BuyerName>,
    contract: Option<ContractName>,
    publisher: Option<PublisherName>,
    pub(crate) counts: Counts,
    pub(crate) size: CapSize,
    reason: String,
}

impl Limit {
    pub(crate) fn counts(
        &self,
        contract: &ContractName,
        buyer: &BuyerName,
        publisher: &PublisherName,
    ) -> bool {
        fn all<T: PartialEq>(wanted: &Option<T>, given: &T) -> bool {
            wanted.as_ref().is_none_or(|wanted| wanted == given)
        }
        all(&self.contract, contract) && all(&self.buyer, buyer) && all(&self.publisher, publisher)
    }
}

/// All limits of a contract and a publisher, in the order in which they are asked.
fn limits(terms: &Terms, rules: &Rules, publisher: &PublisherName) -> Vec<Limit> {
    let mut limits = Vec::new();
    let of = |scope: &str, cap: &Cap| {
        let money = match cap.size {
            CapSize::Money(_) => " money",
            CapSize::Leads(_) => "",
        };
        let sent = match cap.counts {
            Counts::Sent => " sent",
            Counts::Sold => "",
        };
        Limit {
            buyer: Some(terms.buyer.clone()),
            contract: None,
            publisher: None,
            counts: cap.counts,
            size: cap.size,
            reason: format!("cap({scope}{}{money}{sent})", cap.window.as_str()),
        }
    };
    if let Some(balance) = terms.account.balance {
        limits.push(Limit {
            reason: "balance".to_owned(),
            ..of("", &Cap::money(CapWindow::Total, balance))
        });
    }
    for cap in &terms.caps {
        limits.push(Limit {
            contract: Some(terms.contract.clone()),
            ..of("", cap)
        });
    }
    for cap in &terms.publisher_caps {
        limits.push(Limit {
            contract: Some(terms.contract.clone()),
            publisher: Some(publisher.clone()),
            ..of("publisher ", cap)
        });
    }
    for cap in &terms.account.caps.caps {
        limits.push(of("buyer ", cap));
    }
    for cap in rules.limits.iter().flat_map(|limits| &limits.caps.caps) {
        limits.push(Limit {
            buyer: None,
            publisher: Some(publisher.clone()),
            ..of("campaign ", cap)
        });
    }
    limits
}

/// The first limit that has no room for this price, by what was read of the counters.
fn full(
    terms: &Terms,
    rules: &Rules,
    order: &Order,
    facts: &Facts,
    price: Micros,
) -> Option<ContractReason> {
    // A test lead is counted nowhere.
    if order.test {
        return None;
    }
    let limits = limits(terms, rules, &order.publisher).into_iter();
    let mut full = limits.filter_map(|limit| {
        let mine = |key: &CounterKey| match &key.owner {
            CounterOwner::Contract(_, contract) | CounterOwner::Publisher(_, contract, _) => {
                limit.contract.as_ref() == Some(contract)
            }
            CounterOwner::Buyer(buyer) => {
                limit.contract.is_none() && limit.buyer.as_ref() == Some(buyer)
            }
            CounterOwner::Campaign(..) => limit.buyer.is_none(),
        };
        let reason = |key: &CounterKey| ContractReason::from(key.limit());
        let mut read = facts.used.iter();
        let (key, used) =
            read.find(|(key, _)| mine(key) && reason(key).to_string() == limit.reason)?;
        let (take, most) = match limit.size {
            CapSize::Leads(most) => (1, most),
            CapSize::Money(most) => (price.get(), most.get()),
        };
        (used + take > most).then(|| reason(key))
    });
    full.next()
}

impl World {
    /// Every limit there is, for every publisher.
    pub(crate) fn limits(&self) -> Vec<Limit> {
        let publishers = ["acme", "zeta"].map(|name| name.parse().unwrap());
        let mut all = Vec::new();
        for terms in self.book.terms() {
            for publisher in &publishers {
                all.extend(limits(terms, &self.rules, publisher));
            }
        }
        all
    }

    /// What the slow reader makes of a life's round.
    pub(crate) fn expected(&self, life: &Life) -> Expected {
        round(self, life, &self.answers(life))
    }

    /// Whether the book of the moment takes the whole lead, at this time.
    pub(crate) fn eligible(
        &self,
        life: &Life,
        contract: &ContractName,
        at: Mono,
    ) -> Result<bool, ContractReason> {
        let terms = life.book.terms().iter();
        let mut terms = terms.filter(|terms| terms.contract == *contract);
        let terms = terms.next().ok_or(ContractReason::Paused)?;
        let wants = self.wishes[contract];
        eligible(terms, wants, &life.order, true, self.wall(at))
    }

    /// The first answer of each contract that came inside the window.
    pub(crate) fn answers(&self, life: &Life) -> Answers {
        let mut window_end = Mono::from_micros(0);
        let mut answers: BTreeMap<ContractName, (PingReply, Mono, bool)> = BTreeMap::new();
        let mut ended = window_end;
        // A bid that joins the ladder is looked at there.
        let mut ready = false;
        for (at, what) in &life.history {
            match what {
                Happened::Round(PingEffect::WakeAt(end)) => window_end = *end,
                Happened::Answered(PingInput::Reply { slot, reply }) if *at < window_end => {
                    let contract = self.book.get(*slot).unwrap().contract.clone();
                    let entry = answers.entry(contract);
                    entry.or_insert((reply.clone(), *at, ready));
                }
                Happened::Round(PingEffect::Ready) => (ready, ended) = (true, *at),
                Happened::Round(PingEffect::Done) if !ready => ended = *at,
                _ => {}
            }
        }
        let stands = |reply: &PingReply, at: Mono| match reply {
            PingReply::Bid {
                expires_in: Some(span),
                ..
            }
            | PingReply::Accept {
                expires_in: Some(span),
                ..
            } => at.plus(*span) > ended,
            _ => true,
        };
        let answers = answers.into_iter();
        answers
            .map(|(contract, (reply, at, joined))| {
                let stands = joined || stands(&reply, at);
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
