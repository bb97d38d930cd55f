//! The static checks of one contract, cheap ones before costly ones: the first that fails gives the
//! reason, and has a name by which an operator can be told of it.
//!
//! To add one: a variant of [`Check`] with its word, its place in [`judge`], a clause in the scenarios'
//! language, and its line in the naive reader of `tests/laws`.

use domain::ContractReason;
use filter::{Cell, Fields, Verdict};

use crate::geo::Holds;
use crate::{Context, LeadView, Terms};

/// What is asked of a contract, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// It and its buyer are switched on.
    On,
    /// It takes test leads, or live ones, as this is.
    Test,
    /// The publisher did not exclude its buyer.
    Exclude,
    /// It takes leads that were sold elsewhere as often as this.
    AlreadySold,
    /// Its schedule is open.
    Schedule,
    /// It takes leads of this source.
    Sources,
    /// Its filter matches.
    Filter,
    /// It takes leads of this state.
    States,
    /// It takes leads of this ZIP.
    Zips,
    /// It takes this consumer: its consent came, it is on no list, the buyer did not have it before.
    Consumer,
    /// Its breaker lets calls through.
    Breaker,
    /// It, and its buyer, take one more call at this time.
    Rate,
    /// Its price can reach the publisher's floor and the margin.
    Floor,
    /// Its limits leave room.
    Limits,
}

impl Check {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Test => "test",
            Self::Exclude => "exclude",
            Self::AlreadySold => "already_sold",
            Self::Schedule => "schedule",
            Self::Sources => "sources",
            Self::Filter => "filter",
            Self::States => "states",
            Self::Zips => "zips",
            Self::Consumer => "consumer",
            Self::Breaker => "breaker",
            Self::Rate => "rate",
            Self::Floor => "floor",
            Self::Limits => "limits",
        }
    }
}

/// A check that a contract failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The check.
    pub check: Check,
    /// The contract's reason.
    pub reason: ContractReason,
}

/// Where the consumer is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    state: Cell<'a>,
    zip: Cell<'a>,
}

impl<'a> Place<'a> {
    pub(crate) fn of(lead: &'a LeadView<'_>) -> Self {
        Self {
            state: lead.cell("state"),
            zip: lead.cell("zip"),
        }
    }
}

/// Answers to what costs something to ask, where many contracts may have asked the same before.
pub(crate) trait Answers {
    /// Whether the contract's schedule is open.
    fn schedule(&mut self) -> bool;
    /// Whether it takes leads of this source.
    fn sources(&mut self) -> bool;
    /// What its filter says.
    fn filter(&mut self) -> Verdict;
}

/// Whether a contract takes a lead; the first check that waits for a field is left in `waits`.
pub(crate) fn judge(
    terms: &Terms,
    context: &Context,
    place: Place<'_>,
    mut answers: impl Answers,
    waits: &mut Option<Check>,
) -> Result<(), Failed> {
    let ensure = |holds: bool, check, reason| match holds {
        true => Ok(()),
        false => Err(Failed { check, reason }),
    };
    ensure(terms.on, Check::On, ContractReason::Paused)?;
    let same = terms.testing == context.test;
    ensure(same, Check::Test, ContractReason::TestMismatch)?;
    let welcome = context.exclude.is_empty() || !context.exclude.contains(&terms.buyer);
    ensure(welcome, Check::Exclude, ContractReason::ExcludedByPublisher)?;
    let fresh = context.already_sold <= terms.max_already_sold;
    ensure(fresh, Check::AlreadySold, ContractReason::Incompatible)?;
    ensure(
        answers.schedule(),
        Check::Schedule,
        ContractReason::Schedule,
    )?;
    ensure(
        answers.sources(),
        Check::Sources,
        ContractReason::SourceBlocked,
    )?;
    match answers.filter() {
        Verdict::Pass => {}
        Verdict::Unknown => *waits = Some(Check::Filter),
        Verdict::Fail(field) => {
            return Err(Failed {
                check: Check::Filter,
                reason: ContractReason::Filtered(field),
            });
        }
    }
    let mut lies = |check, holds| match holds {
        Some(Holds::No) => Err(Failed {
            check,
            reason: ContractReason::Geo,
        }),
        Some(Holds::Unknown) => {
            waits.get_or_insert(check);
            Ok(())
        }
        Some(Holds::Yes) | None => Ok(()),
    };
    let states = terms.states.as_ref();
    lies(
        Check::States,
        states.map(|states| states.check(place.state)),
    )?;
    let zips = terms.zips.as_ref();
    lies(Check::Zips, zips.map(|zips| zips.check(place.zip)))?;
    context.consumer.check(terms).map_err(|reason| Failed {
        check: Check::Consumer,
        reason,
    })
}

/// A contract that is asked for itself alone.
struct Alone<'a> {
    terms: &'a Terms,
    context: &'a Context,
    lead: &'a LeadView<'a>,
}

impl Answers for Alone<'_> {
    fn schedule(&mut self) -> bool {
        let Terms { schedule, zone, .. } = self.terms;
        schedule.is_always() || schedule.is_open(&zone.local(self.context.wall))
    }

    fn sources(&mut self) -> bool {
        let Context { publisher, sub, .. } = self.context;
        self.terms.sources.allow(publisher, sub)
    }

    fn filter(&mut self) -> Verdict {
        self.terms.filter.eval(self.lead)
    }
}

/// [`judge`] for one contract alone.
pub(crate) fn judge_one(
    terms: &Terms,
    context: &Context,
    lead: &LeadView<'_>,
    waits: &mut Option<Check>,
) -> Result<(), Failed> {
    let alone = Alone {
        terms,
        context,
        lead,
    };
    judge(terms, context, Place::of(lead), alone, waits)
}
