//! What the contracts of a book ask of a lead: each distinct question has one number, and is answered
//! once a lead, however many contracts ask it.
//!
//! Contracts that begin with the same questions share those steps, so that their paths make a tree, and a
//! lead walks that once. What a contract says is then what its last step says.

use std::collections::BTreeMap;

use domain::{ContractReason, LocalTime, Zone};
use filter::{Shared, Verdict};

use crate::eligible::{Answer, Question, asks};
use crate::{Book, Context, LeadView, Schedule, Slot, Sources, States, Terms, Zips};

/// The questions of a book, but for those that only concern whom a lead names: see
/// [`Book::named_by`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Questions {
    /// Of all contracts: the filter, then those of the rules of the price.
    filters: Shared,
    /// Who asks each question first.
    first: Vec<First>,
    /// Each after the one that it follows, numbered from one: step 0 is to have asked nothing.
    steps: Vec<Step>,
    /// Where each contract is in all this.
    of: Vec<Asked>,
}

#[derive(Debug, Clone, Copy)]
struct First {
    slot: Slot,
    /// Its place in what that contract asks.
    place: usize,
}

/// A question, where those of the steps before were asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    after: usize,
    question: usize,
}

/// What a contract asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// Its filter's number; those of its price follow.
    pub(crate) filter: usize,
    /// Its last step.
    last: usize,
}

/// What tells one question from another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'t> {
    Off,
    Test(bool),
    AlreadySold(u8),
    /// With the zone's place among the few that a book has.
    Schedule(usize, &'t Schedule),
    Sources(&'t Sources),
    /// With what all filters that are alike have in common.
    Filter(usize),
    States(&'t States),
    Zips(&'t Zips),
    Consent,
}

impl Questions {
    pub(crate) fn new(terms: &[Terms]) -> Self {
        let filters = terms
            .iter()
            .flat_map(|terms| std::iter::once(&terms.filter).chain(terms.price.filters()));
        let mut questions = Self {
            filters: Shared::new(filters),
            ..Self::default()
        };
        let (mut zones, mut numbers) = (Vec::new(), BTreeMap::new());
        let mut steps = BTreeMap::new();
        let mut filter = 0;
        for (slot, terms) in terms.iter().enumerate() {
            let mut last = 0;
            for (place, question) in asks(terms).enumerate() {
                let like = questions.filters.like(filter);
                let Some(key) = key(question, like, &mut zones) else {
                    continue;
                };
                let question = *numbers.entry(key).or_insert_with(|| {
                    let slot = Slot(slot);
                    questions.first.push(First { slot, place });
                    questions.first.len() - 1
                });
                let after = last;
                let step = Step { after, question };
                last = *steps.entry(step).or_insert_with(|| {
                    questions.steps.push(step);
                    questions.steps.len()
                });
            }
            questions.of.push(Asked { filter, last });
            filter += 1 + terms.price.filters().count();
        }
        questions
    }

    /// What each contract asks, in the order of their slots.
    pub(crate) fn of(&self) -> &[Asked] {
        &self.of
    }
}

/// None for what every lead passes, and what only concerns whom a lead names.
fn key<'t>(
    question: Question<'t>,
    like: Option<usize>,
    zones: &mut Vec<&'t Zone>,
) -> Option<Key<'t>> {
    Some(match question {
        Question::Off => Key::Off,
        Question::Test(testing) => Key::Test(testing),
        Question::AlreadySold(most) => Key::AlreadySold(most),
        Question::Schedule(zone, schedule) => Key::Schedule(place(zones, zone), schedule),
        Question::Sources(sources) => Key::Sources(sources),
        Question::Filter(_) => Key::Filter(like?),
        Question::States(states) => Key::States(states),
        Question::Zips(zips) => Key::Zips(zips),
        Question::Consent => Key::Consent,
        Question::Exclude(_) | Question::Barred(_) => return None,
    })
}

fn place<'t>(zones: &mut Vec<&'t Zone>, zone: &'t Zone) -> usize {
    let known = zones.iter().position(|known| *known == zone);
    known.unwrap_or_else(|| {
        zones.push(zone);
        zones.len() - 1
    })
}

/// What is known of a lead.
pub(crate) struct Known<'b, 'f> {
    book: &'b Book,
    context: &'b Context,
    lead: &'f LeadView<'f>,
    filters: filter::Answers<'b, 'f>,
    answers: Vec<Answered>,
    /// What came out of each step.
    steps: Vec<SoFar>,
    /// Few zones for many schedules.
    locals: Vec<(&'b Zone, LocalTime)>,
}

#[derive(Default)]
struct Answered {
    answer: Option<Answer>,
    /// How many contracts it cost the lead.
    failed: u32,
}

/// What came out of the questions up to a step.
#[derive(Debug, Clone, Copy)]
enum SoFar {
    Passed,
    /// One of them waits for the whole lead.
    Waits,
    /// This is the first that failed.
    Failed(usize),
}

impl<'b, 'f> Known<'b, 'f> {
    pub(crate) fn of(book: &'b Book, context: &'b Context, lead: &'f LeadView<'f>) -> Self {
        let questions = book.questions();
        let unasked = questions.first.iter().map(|_| Answered::default());
        let mut known = Self {
            book,
            context,
            lead,
            filters: filter::Answers::new(&questions.filters, lead),
            answers: unasked.collect(),
            steps: Vec::with_capacity(questions.steps.len() + 1),
            locals: Vec::new(),
        };
        known.steps.push(SoFar::Passed);
        for step in &questions.steps {
            let so_far = known.step(*step);
            known.steps.push(so_far);
        }
        known
    }

    /// What comes after a question that failed is not asked.
    fn step(&mut self, Step { after, question }: Step) -> SoFar {
        let before = self.steps.get(after).copied();
        let before = before.unwrap_or(SoFar::Passed);
        if let SoFar::Failed(_) = before {
            return before;
        }
        match self.answer(question) {
            Some(Answer::Yes) => before,
            Some(Answer::Unknown) | None => SoFar::Waits,
            Some(Answer::No(_)) => SoFar::Failed(question),
        }
    }

    /// None for a number that is no question's.
    fn answer(&mut self, number: usize) -> Option<&Answer> {
        if self.answers.get(number)?.answer.is_none() {
            let answer = self.ask(number)?;
            self.answers.get_mut(number)?.answer = Some(answer);
        }
        self.answers.get(number)?.answer.as_ref()
    }

    fn ask(&mut self, number: usize) -> Option<Answer> {
        let questions = self.book.questions();
        let First { slot, place } = *questions.first.get(number)?;
        let question = asks(self.book.get(slot)?).nth(place)?;
        Some(match question {
            Question::Schedule(zone, schedule) => {
                let open = schedule.is_open(&self.local(zone));
                Answer::of(open, ContractReason::Schedule)
            }
            Question::Filter(_) => self.filter(questions.of.get(slot.0)?.filter).into(),
            other => other.answer(self.context, self.lead),
        })
    }

    /// Whether a contract takes the lead, as far as its questions go: none if not, true if one of them
    /// waits for the whole lead.
    pub(crate) fn passes(&mut self, asked: Asked) -> Option<bool> {
        match self.steps.get(asked.last)? {
            SoFar::Passed => Some(false),
            SoFar::Waits => Some(true),
            SoFar::Failed(question) => {
                self.answers.get_mut(*question)?.failed += 1;
                None
            }
        }
    }

    /// What the filter of this number says.
    pub(crate) fn filter(&mut self, number: usize) -> Verdict {
        self.filters.of(number)
    }

    fn local(&mut self, zone: &'b Zone) -> LocalTime {
        let mut locals = self.locals.iter();
        if let Some((_, local)) = locals.find(|(known, _)| **known == *zone) {
            return *local;
        }
        let local = zone.local(self.context.wall);
        self.locals.push((zone, local));
        local
    }

    /// How many contracts did not pass, by reason.
    pub(crate) fn failed(self) -> impl Iterator<Item = (ContractReason, u32)> {
        let answers = self.answers.into_iter();
        answers.filter_map(|answered| match answered.answer {
            Some(Answer::No(reason)) if answered.failed > 0 => Some((reason, answered.failed)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::{FullLead, Timestamp, Weekday};

    use super::*;
    use crate::{ScheduleRow, screen};

    #[test]
    fn the_same_hours_in_another_zone_are_another_question() {
        let from_eight_to_noon = ScheduleRow {
            days: Weekday::ALL.into_iter().collect(),
            from: 480,
            to: 720,
        };
        let zones = ["Europe/Vienna", "UTC", "America/Chicago", "UTC"];
        let terms = (1..).zip(zones).map(|(number, zone)| Terms {
            zone: Zone::parse(zone).unwrap(),
            schedule: Schedule::new(vec![from_eight_to_noon.clone()], BTreeSet::new()),
            ..Terms::new(
                format!("contract-{number}").parse().unwrap(),
                "buyer".parse().unwrap(),
            )
        });
        let book = Book::new(terms.collect());
        // Nine, eight and two in the morning there.
        let wall = Timestamp::parse("2026-11-25T08:00:00Z").unwrap();
        let context = Context::new("acme".parse().unwrap(), wall);
        let lead = FullLead::default();
        let passed = screen(&book, &context, LeadView::Full(&lead)).passed;
        let passed: Vec<_> = passed.iter().map(|passed| passed.slot.0).collect();
        assert_eq!(passed, [0, 1, 3]);
        // Beside the three of the hours: whether it is a test, and whether it was sold before.
        assert_eq!(book.questions().first.len(), 5);
    }
}
