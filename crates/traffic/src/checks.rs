//! The checks: clients, buyers and ClickHouse tell the same, line by line, id by id, to the micro.

mod auction;
mod selling;
#[cfg(test)]
mod tests;
mod tracking;

use std::collections::BTreeMap;

use crate::book::Asked;
use crate::compare::Check;
use crate::held::Held;
use crate::ledger::{Buyers, Clients};

/// What a whole credit share is, in units of 1e-9.
const WHOLE: u64 = 1_000_000_000;

/// What happened while the books were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Nothing was killed: the books agree line by line.
    Undisturbed,
    /// Attempts were left unanswered: the service may hold what no client was told, but only that.
    WithCrashes,
}

/// Three books, side by side.
pub struct Books<'a> {
    /// What clients were told.
    pub clients: Clients<'a>,
    /// What buyers journalled.
    pub buyers: Buyers<'a>,
    /// What ClickHouse holds.
    pub held: &'a Held,
    /// How many contracts each campaign has.
    pub book_sizes: BTreeMap<String, u32>,
    /// What happened.
    pub run: Run,
}

impl Books<'_> {
    /// All checks.
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = vec![
            self.everybody_was_answered(),
            self.final_answers_stay(),
            self.one_lead_a_key(),
        ];
        checks.extend(self.clicks());
        checks.extend(self.quotes());
        checks.extend(self.refusals());
        checks.push(self.leads());
        checks.push(self.one_outcome_a_lead());
        checks.push(self.sales());
        checks.push(self.one_billed_sale_a_lead());
        checks.push(self.postback_conversions());
        checks.push(self.lead_conversions());
        checks.extend(self.credits());
        checks.extend(self.money());
        checks.push(self.waterfalls());
        checks.extend(self.pings());
        checks
    }

    fn everybody_was_answered(&self) -> Check {
        let given_up = &self.clients.given_up;
        let shown: Vec<String> = given_up
            .iter()
            .take(3)
            .map(|told| format!("{:?} {}", told.asked, told.why))
            .collect();
        let detail = format!("{} given up {}", given_up.len(), shown.join(", "));
        Check::that(
            "every request was answered in the end",
            given_up.is_empty(),
            detail,
        )
    }

    fn final_answers_stay(&self) -> Check {
        let changed = &self.clients.changed;
        let detail = changed.first().map_or_else(
            || "none changed".to_owned(),
            |(lead, before, after)| {
                format!("{} changed, {lead}: {before} -> {after}", changed.len())
            },
        );
        Check::that("a final answer never changes", changed.is_empty(), detail)
    }

    fn one_lead_a_key(&self) -> Check {
        let twice = &self.clients.keys_of_two;
        let detail = format!("{} keys with two leads", twice.len());
        Check::that(
            "one lead for each idempotency key",
            twice.is_empty(),
            detail,
        )
    }

    fn unanswered(&self, asked: Asked) -> impl Iterator<Item = &str> {
        self.clients
            .unanswered
            .iter()
            .filter(move |(what, _)| *what == asked)
            .map(|(_, key)| *key)
    }
}
