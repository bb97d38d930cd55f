//! What a contract asks of a lead, cheap questions before costly ones: the first that fails gives the
//! reason, and has a name by which an operator can be told of it.
//!
//! To add one: a variant of [`Check`] with its word, a [`Question`] with its place in [`asks`] and its
//! answer, what tells two of them apart in `questions.rs`, a clause in the scenarios' language, and its line
//! in the naive reader of `tests/laws`.

use domain::{BuyerName, ContractName, ContractReason, Zone};
use filter::{Fields, Filter, Verdict};

use crate::geo::{States, Zips};
use crate::{Context, LeadView, Schedule, Sources, Terms};

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

/// A question of a contract.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Question<'t> {
    /// It, or its buyer, is switched off.
    Off,
    /// Whether this is a test lead, or not.
    Test(bool),
    /// Whether the publisher excluded the buyer.
    Exclude(&'t BuyerName),
    /// Whether it was sold elsewhere at most this often.
    AlreadySold(u8),
    /// Whether it is such a time there.
    Schedule(&'t Zone, &'t Schedule),
    /// Whether it comes from there.
    Sources(&'t Sources),
    /// Whether it is like this.
    Filter(&'t Filter),
    /// Whether it is of such a state.
    States(&'t States),
    /// Whether it is of such a ZIP.
    Zips(&'t Zips),
    /// Whether the consumer's consent came with it.
    Consent,
    /// Whether something is known of the consumer that bars it from the contract.
    Barred(&'t ContractName),
}

/// All that a contract asks, in this order; not what every lead passes.
pub(crate) fn asks(terms: &Terms) -> impl Iterator<Item = Question<'_>> {
    let Terms {
        schedule, sources, ..
    } = terms;
    [
        (!terms.on).then_some(Question::Off),
        Some(Question::Test(terms.testing)),
        Some(Question::Exclude(&terms.buyer)),
        Some(Question::AlreadySold(terms.max_already_sold)),
        (!schedule.is_always()).then_some(Question::Schedule(&terms.zone, schedule)),
        (!sources.are_all()).then_some(Question::Sources(sources)),
        Some(Question::Filter(&terms.filter)),
        terms.states.as_ref().map(Question::States),
        terms.zips.as_ref().map(Question::Zips),
        terms.needs_consent.then_some(Question::Consent),
        Some(Question::Barred(&terms.contract)),
    ]
    .into_iter()
    .flatten()
}

/// What a lead answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No(ContractReason),
    /// It hangs on what is not known before the post.
    Unknown,
}

impl Answer {
    pub(crate) fn of(holds: bool, reason: ContractReason) -> Self {
        match holds {
            true => Self::Yes,
            false => Self::No(reason),
        }
    }
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Yes,
            Verdict::Fail(field) => Self::No(ContractReason::Filtered(field)),
            Verdict::Unknown => Self::Unknown,
        }
    }
}

impl Question<'_> {
    fn check(&self) -> Check {
        match self {
            Self::Off => Check::On,
            Self::Test(_) => Check::Test,
            Self::Exclude(_) => Check::Exclude,
            Self::AlreadySold(_) => Check::AlreadySold,
            Self::Schedule(..) => Check::Schedule,
            Self::Sources(_) => Check::Sources,
            Self::Filter(_) => Check::Filter,
            Self::States(_) => Check::States,
            Self::Zips(_) => Check::Zips,
            Self::Consent | Self::Barred(_) => Check::Consumer,
        }
    }

    pub(crate) fn answer(&self, context: &Context, lead: &LeadView<'_>) -> Answer {
        match self {
            Self::Off => Answer::No(ContractReason::Paused),
            Self::Test(testing) => {
                Answer::of(*testing == context.test, ContractReason::TestMismatch)
            }
            Self::Exclude(buyer) => {
                let welcome = !context.exclude.contains(*buyer);
                Answer::of(welcome, ContractReason::ExcludedByPublisher)
            }
            Self::AlreadySold(most) => {
                Answer::of(context.already_sold <= *most, ContractReason::Incompatible)
            }
            Self::Schedule(zone, schedule) => {
                let open = schedule.is_open(&zone.local(context.wall));
                Answer::of(open, ContractReason::Schedule)
            }
            Self::Sources(sources) => {
                let allowed = sources.allow(&context.publisher, &context.sub);
                Answer::of(allowed, ContractReason::SourceBlocked)
            }
            Self::Filter(filter) => filter.eval(lead).into(),
            Self::States(states) => states.check(lead.cell("state")),
            Self::Zips(zips) => zips.check(lead.cell("zip")),
            Self::Consent => Answer::of(context.consumer.consented, ContractReason::NotConsented),
            Self::Barred(contract) => match context.consumer.barred.get(*contract) {
                Some(bar) => Answer::No(bar.reason()),
                None => Answer::Yes,
            },
        }
    }
}

/// Whether a contract takes a lead; the first check that waits for a field is left in `waits`.
pub(crate) fn judge(
    terms: &Terms,
    context: &Context,
    lead: &LeadView<'_>,
    waits: &mut Option<Check>,
) -> Result<(), Failed> {
    for question in asks(terms) {
        let check = question.check();
        match question.answer(context, lead) {
            Answer::Yes => {}
            Answer::No(reason) => return Err(Failed { check, reason }),
            Answer::Unknown => {
                waits.get_or_insert(check);
            }
        }
    }
    Ok(())
}
