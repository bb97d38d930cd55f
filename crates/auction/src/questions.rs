//! What the contracts of a book ask of a lead: each distinct question has one number, and is answered
//! once a lead, however many contracts ask it.

use std::collections::BTreeMap;

use domain::{LocalTime, Zone};
use filter::{Shared, Verdict};

use crate::eligible::Answers;
use crate::{Context, LeadView, Terms};

/// The questions of a book.
#[derive(Debug, Clone, Default)]
pub(crate) struct Questions {
    /// Of all contracts: the filter, then those of the rules of the price.
    pub(crate) filters: Shared,
    /// How many other questions there are, about sources and schedules.
    pub(crate) others: usize,
    /// Which are those of each contract.
    pub(crate) of: Vec<Asked>,
}

/// The questions of a contract, by their numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// Its filter; those of its price follow.
    pub(crate) filter: usize,
    /// Whether its schedule is open, if it has one.
    pub(crate) schedule: Option<usize>,
    /// Whether it takes this source, if it does not take all.
    pub(crate) sources: Option<usize>,
}

impl Questions {
    pub(crate) fn new(terms: &[Terms]) -> Self {
        let filters = terms
            .iter()
            .flat_map(|terms| std::iter::once(&terms.filter).chain(terms.price.filters()));
        let mut others = 0;
        let mut number = || {
            others += 1;
            others - 1
        };
        let (mut zones, mut schedules, mut sources) =
            (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut filter = 0;
        let mut of = Vec::with_capacity(terms.len());
        for terms in terms {
            let schedule = (!terms.schedule.is_always()).then(|| {
                let key = (place(&mut zones, &terms.zone), &terms.schedule);
                *schedules.entry(key).or_insert_with(&mut number)
            });
            let sources = (!terms.sources.are_all())
                .then(|| *sources.entry(&terms.sources).or_insert_with(&mut number));
            of.push(Asked {
                filter,
                schedule,
                sources,
            });
            filter += 1 + terms.price.filters().count();
        }
        Self {
            filters: Shared::new(filters),
            others,
            of,
        }
    }
}

/// Where a zone is among the few that a book has.
fn place<'t>(zones: &mut Vec<&'t Zone>, zone: &'t Zone) -> usize {
    let known = zones.iter().position(|known| *known == zone);
    known.unwrap_or_else(|| {
        zones.push(zone);
        zones.len() - 1
    })
}

/// What is known of a lead by now.
pub(crate) struct Known<'b, 'f> {
    context: &'b Context,
    filters: filter::Answers<'b, 'f>,
    others: Vec<Option<bool>>,
    /// Few zones for many schedules.
    locals: Vec<(&'b Zone, LocalTime)>,
}

impl<'b, 'f> Known<'b, 'f> {
    pub(crate) fn nothing(
        questions: &'b Questions,
        context: &'b Context,
        lead: &'f LeadView<'f>,
    ) -> Self {
        Self {
            context,
            filters: filter::Answers::new(&questions.filters, lead),
            others: vec![None; questions.others],
            locals: Vec::new(),
        }
    }

    /// What the filter of this number says.
    pub(crate) fn filter(&mut self, number: usize) -> Verdict {
        self.filters.of(number)
    }

    fn is_open(&mut self, number: usize, terms: &'b Terms) -> bool {
        if let Some(Some(known)) = self.others.get(number) {
            return *known;
        }
        let mut locals = self.locals.iter();
        let local = match locals.find(|(zone, _)| **zone == terms.zone) {
            Some((_, local)) => *local,
            None => {
                let local = terms.zone.local(self.context.wall);
                self.locals.push((&terms.zone, local));
                local
            }
        };
        self.keep(number, terms.schedule.is_open(&local))
    }

    fn takes_source(&mut self, number: usize, terms: &Terms) -> bool {
        if let Some(Some(known)) = self.others.get(number) {
            return *known;
        }
        let Context { publisher, sub, .. } = self.context;
        self.keep(number, terms.sources.allow(publisher, sub))
    }

    fn keep(&mut self, number: usize, answer: bool) -> bool {
        if let Some(known) = self.others.get_mut(number) {
            *known = Some(answer);
        }
        answer
    }
}

/// A contract that is asked among others.
pub(crate) struct Together<'k, 'b, 'f> {
    pub(crate) known: &'k mut Known<'b, 'f>,
    pub(crate) asked: Asked,
    pub(crate) terms: &'b Terms,
}

impl Answers for Together<'_, '_, '_> {
    fn schedule(&mut self) -> bool {
        let number = self.asked.schedule;
        number.is_none_or(|number| self.known.is_open(number, self.terms))
    }

    fn sources(&mut self) -> bool {
        let number = self.asked.sources;
        number.is_none_or(|number| self.known.takes_source(number, self.terms))
    }

    fn filter(&mut self) -> Verdict {
        self.known.filter(self.asked.filter)
    }
}
