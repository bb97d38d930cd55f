//! Limits: caps and balances, and what one lead takes of them.
//!
//! A contract's lead is counted for the contract, for its publisher, for its buyer and for the
//! publisher on the campaign; one hold takes from all of these counters in one step. Test leads take
//! nothing.

use std::collections::BTreeMap;

use domain::{
    Calendar, CampaignName, CapScope, CapUnit, CapWindow, ContractReason, CounterKey, CounterOwner,
    CounterUse, Counts, Currency, LeadId, Meter, Micros, PublisherName, Reservation, ReservationId,
    Timestamp, Zone,
};

use crate::{Context, Facts, Rules, Terms};

/// A cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// Over which window.
    pub window: CapWindow,
    /// When a unit is used up.
    pub counts: Counts,
    /// How much, and of what.
    pub size: CapSize,
}

/// How much a cap allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapSize {
    /// So many leads.
    Leads(i64),
    /// So much of what the buyer pays.
    Money(Micros),
}

impl Cap {
    /// A cap on leads sold.
    pub const fn leads(window: CapWindow, leads: i64) -> Self {
        Self {
            window,
            counts: Counts::Sold,
            size: CapSize::Leads(leads),
        }
    }

    /// A cap on what is paid for leads sold.
    pub const fn money(window: CapWindow, money: Micros) -> Self {
        Self {
            window,
            counts: Counts::Sold,
            size: CapSize::Money(money),
        }
    }

    /// What its counter measures.
    pub const fn meter(&self) -> Meter {
        Meter::Cap {
            window: self.window,
            unit: match self.size {
                CapSize::Leads(_) => CapUnit::Leads,
                CapSize::Money(_) => CapUnit::Money,
            },
            counts: self.counts,
        }
    }

    /// Its counter of the moment, and its limit.
    fn counter(&self, owner: &CounterOwner, calendar: &Calendar) -> (CounterKey, i64) {
        let key = CounterKey {
            owner: owner.clone(),
            meter: self.meter(),
            period: calendar.period(self.window),
        };
        (key, self.limit())
    }

    const fn limit(&self) -> i64 {
        match self.size {
            CapSize::Leads(leads) => leads,
            CapSize::Money(money) => money.get(),
        }
    }
}

/// Caps whose windows are those of one zone; at most one per window, unit and way to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// The zone of their calendar windows.
    pub zone: Zone,
    /// The caps.
    pub caps: Vec<Cap>,
}

/// What limits a buyer, over all of its contracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its caps.
    pub caps: Caps,
    /// The currency of its money: that of all its contracts, if it has limits in money.
    pub currency: Currency,
    /// What it may spend in all: prepaid and credit. None: it is not limited.
    pub balance: Option<Micros>,
}

/// What limits a publisher on a campaign, whoever buys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherLimits {
    /// The campaign.
    pub campaign: CampaignName,
    /// Its caps.
    pub caps: Caps,
}

impl PublisherLimits {
    /// The counters of a publisher's caps at this time, with the limit of each.
    fn counters(
        &self,
        publisher: &PublisherName,
        wall: Timestamp,
    ) -> impl Iterator<Item = (CounterKey, i64)> {
        let owner = CounterOwner::Campaign(self.campaign.clone(), publisher.clone());
        let calendar = Calendar::of(wall, &self.caps.zone);
        let caps = self.caps.caps.iter();
        caps.map(move |cap| cap.counter(&owner, &calendar))
    }

    /// The counters whose use says whether a publisher may send another lead.
    pub fn asked(&self, publisher: &PublisherName, wall: Timestamp) -> Vec<CounterKey> {
        let counters = self.counters(publisher, wall);
        counters.map(|(counter, _)| counter).collect()
    }

    /// Whether no lead of this publisher can be sold at this time, at whatever price: the book need not
    /// run for it. Where there is room, the hold decides.
    pub fn is_full(
        &self,
        publisher: &PublisherName,
        wall: Timestamp,
        used: &BTreeMap<CounterKey, i64>,
    ) -> bool {
        let mut counters = self.counters(publisher, wall);
        counters.any(|(counter, limit)| used.get(&counter).is_some_and(|used| *used >= limit))
    }
}

impl Default for Account {
    /// Of a buyer without limits.
    fn default() -> Self {
        Self {
            caps: Caps::default(),
            currency: Currency::USD,
            balance: None,
        }
    }
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            zone: Zone::utc(),
            caps: Vec::new(),
        }
    }
}

/// The counters that count a lead under a contract, with the limit of each; the balance first. A test
/// lead counts nowhere: what is paid by nobody uses up what nobody may use up.
pub(crate) fn counters<'a>(
    terms: &'a Terms,
    rules: &'a Rules,
    context: &'a Context,
) -> impl Iterator<Item = (CounterKey, i64)> + 'a {
    let counted = !context.test;
    let balance = terms.account.balance.filter(|_| counted).map(|balance| {
        let key = CounterKey {
            owner: CounterOwner::Buyer(terms.buyer.clone()),
            meter: Meter::Balance,
            period: 0,
        };
        (key, balance.get())
    });
    let scopes = [
        CapScope::Contract,
        CapScope::Publisher,
        CapScope::Buyer,
        CapScope::Campaign,
    ];
    let groups = scopes
        .into_iter()
        .filter(move |_| counted)
        .filter_map(|scope| group(scope, terms, rules, context));
    let caps = groups.flat_map(|(owner, zone, caps)| {
        let calendar = Calendar::of(context.wall, zone);
        caps.iter().map(move |cap| cap.counter(&owner, &calendar))
    });
    balance.into_iter().chain(caps)
}

/// The caps of one scope, whose counters they fill and in which zone; none if there are none.
fn group<'a>(
    scope: CapScope,
    terms: &'a Terms,
    rules: &'a Rules,
    context: &Context,
) -> Option<(CounterOwner, &'a Zone, &'a [Cap])> {
    let (buyer, contract) = (&terms.buyer, &terms.contract);
    let publisher = &context.publisher;
    let (zone, caps) = match scope {
        CapScope::Contract => (&terms.zone, &terms.caps),
        CapScope::Publisher => (&terms.zone, &terms.publisher_caps),
        CapScope::Buyer => (&terms.account.caps.zone, &terms.account.caps.caps),
        CapScope::Campaign => {
            let limits = rules.limits.as_deref()?;
            (&limits.caps.zone, &limits.caps.caps)
        }
    };
    if caps.is_empty() {
        return None;
    }
    let owner = match scope {
        CapScope::Contract => CounterOwner::Contract(buyer.clone(), contract.clone()),
        CapScope::Publisher => {
            CounterOwner::Publisher(buyer.clone(), contract.clone(), publisher.clone())
        }
        CapScope::Buyer => CounterOwner::Buyer(buyer.clone()),
        CapScope::Campaign => {
            CounterOwner::Campaign(rules.limits.as_deref()?.campaign.clone(), publisher.clone())
        }
    };
    Some((owner, zone, caps))
}

/// What a lead takes of a counter at this price.
fn amount(key: &CounterKey, price: Micros) -> i64 {
    match key.meter.unit() {
        CapUnit::Leads => 1,
        CapUnit::Money => price.get(),
    }
}

/// Whether the facts leave room for a sale at this price under all limits of a contract. A hint: the
/// hold decides.
pub(crate) fn room(
    terms: &Terms,
    rules: &Rules,
    context: &Context,
    facts: &Facts,
    price: Micros,
) -> Result<(), ContractReason> {
    for (key, limit) in counters(terms, rules, context) {
        let used = facts.used.get(&key).copied().unwrap_or(0);
        if used.saturating_add(amount(&key, price)) > limit {
            return Err(key.limit().into());
        }
    }
    Ok(())
}

/// The reservation of one leg under a contract, in the windows that `context.wall` falls into.
pub(crate) fn reservation(
    terms: &Terms,
    rules: &Rules,
    context: &Context,
    (lead, leg): (LeadId, u16),
    price: Micros,
) -> Reservation {
    let counters = counters(terms, rules, context).map(|(key, limit)| CounterUse {
        amount: amount(&key, price),
        key,
        limit,
    });
    Reservation {
        id: ReservationId { lead, leg },
        counters: counters.collect(),
    }
}
