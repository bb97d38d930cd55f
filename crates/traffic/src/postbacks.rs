//! What one publisher was told of its conversions, from both ends: what its endpoint heard, and what
//! ClickHouse holds of notices and payables.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{Clock, Micros};
use serde::Deserialize;

use crate::compare::Check;
use crate::endpoint::{Ear, Endpoint, Heard};
use crate::held::{HeldError, Warehouse, money};

/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Both ends.
#[derive(Debug, Default)]
pub struct Postbacks {
    /// What the endpoint heard.
    pub ear: Ear,
    /// The last notice of each conversion.
    pub notices: Vec<HeldNotice>,
    /// What the publisher is paid for.
    pub payables: Vec<HeldPayable>,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct HeldNotice {
    pub conversion_id: String,
    pub notice_id: String,
    pub status: String,
    #[serde(deserialize_with = "money")]
    pub payout: Micros,
    pub state: String,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct HeldPayable {
    pub conversion_id: String,
    pub status: String,
    #[serde(deserialize_with = "money")]
    pub payout: Micros,
}

impl Postbacks {
    /// Reads both once no notice waits. One that still does after `limit` fails its check.
    pub async fn read(
        endpoint: &Endpoint,
        publisher: &str,
        warehouse: &Warehouse,
        limit: Duration,
        clock: &dyn Clock,
    ) -> Result<Self, HeldError> {
        let waiting = format!(
            "SELECT toUInt32(count()) AS value FROM v_postbacks \
             WHERE publisher = '{publisher}' AND state = 'waiting'"
        );
        let until = clock.mono().plus(limit);
        while warehouse.value(&waiting).await? != Some(0_u32) && clock.mono() < until {
            tokio::time::sleep(LOOK).await;
        }
        let notices = format!(
            "SELECT conversion_id, notice_id, status, payout, state FROM v_postbacks \
             WHERE publisher = '{publisher}'"
        );
        let payables = format!(
            "SELECT conversion_id, status, payout FROM v_conversions WHERE conversion_id IN \
             (SELECT conversion_id FROM v_payables WHERE payee = '{publisher}')"
        );
        Ok(Self {
            notices: warehouse.rows(&notices).await?,
            payables: warehouse.rows(&payables).await?,
            ear: endpoint.ear(),
        })
    }

    /// All checks.
    pub fn checks(&self) -> [Check; 3] {
        [self.one_body_a_notice(), self.notices(), self.payables()]
    }

    /// What was heard last of each conversion.
    fn last(&self) -> impl Iterator<Item = &Heard> {
        let heard = self.ear.heard.iter();
        let last: BTreeMap<&str, &Heard> = heard
            .map(|heard| (heard.conversion.as_str(), heard))
            .collect();
        last.into_values()
    }

    fn one_body_a_notice(&self) -> Check {
        let Ear { heard, strange, .. } = &self.ear;
        let bodies: BTreeSet<(&str, &str)> = heard
            .iter()
            .map(|heard| (heard.notice.as_str(), heard.body.as_str()))
            .collect();
        let notices: BTreeSet<&str> = bodies.iter().map(|(notice, _)| *notice).collect();
        let detail = format!(
            "{} notices with {} bodies, {} sent again, {} strange{}",
            notices.len(),
            bodies.len(),
            heard.len() - bodies.len(),
            strange.len(),
            strange
                .first()
                .map_or_else(String::new, |first| format!(" ({first})")),
        );
        Check::that(
            "publisher's postbacks: signed, one body for each notice",
            bodies.len() == notices.len() && strange.is_empty(),
            detail,
        )
    }

    fn notices(&self) -> Check {
        let heard = self.last().map(|heard| {
            let (conversion, notice) = (heard.conversion.as_str(), heard.notice.as_str());
            (
                conversion,
                notice,
                heard.status.as_str(),
                heard.payout,
                "told",
            )
        });
        let held = self.notices.iter().map(|held| {
            let (conversion, notice) = (held.conversion_id.as_str(), held.notice_id.as_str());
            (
                conversion,
                notice,
                held.status.as_str(),
                held.payout,
                held.state.as_str(),
            )
        });
        Check::same(
            "publisher's postbacks: last heard = held",
            ("heard", heard),
            ("held", held),
        )
    }

    fn payables(&self) -> Check {
        let paid = |heard: &&Heard| !matches!(heard.status.as_str(), "rejected" | "reversed");
        let heard = self.last().filter(paid).map(|heard| {
            let conversion = heard.conversion.as_str();
            (conversion, heard.status.as_str(), heard.payout)
        });
        let held = self.payables.iter().map(|held| {
            let conversion = held.conversion_id.as_str();
            (conversion, held.status.as_str(), held.payout)
        });
        Check::same(
            "publisher's postbacks: last heard = payable",
            ("heard", heard),
            ("payable", held),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(notice: &str, conversion: &str, status: &str, dollars: i64) -> Heard {
        Heard {
            notice: notice.into(),
            conversion: conversion.into(),
            status: status.into(),
            payout: Micros::new(dollars * 1_000_000),
            body: format!("{notice}{status}{dollars}"),
        }
    }

    /// One conversion was pending first, its last state was sent twice; another one was taken back.
    fn world() -> Postbacks {
        let last = heard("n2", "c1", "approved", 8);
        let lost = heard("n4", "c2", "reversed", 0);
        let held = |heard: &Heard| HeldNotice {
            conversion_id: heard.conversion.clone(),
            notice_id: heard.notice.clone(),
            status: heard.status.clone(),
            payout: heard.payout,
            state: "told".into(),
        };
        let mut ear = Ear::default();
        ear.heard = vec![
            heard("n1", "c1", "pending", 8),
            last.clone(),
            heard("n3", "c2", "approved", 5),
            lost.clone(),
            last.clone(),
        ];
        Postbacks {
            ear,
            notices: vec![held(&last), held(&lost)],
            payables: vec![HeldPayable {
                conversion_id: "c1".into(),
                status: "approved".into(),
                payout: last.payout,
            }],
        }
    }

    fn holds(change: impl FnOnce(&mut Postbacks)) -> [bool; 3] {
        let mut world = world();
        change(&mut world);
        world.checks().map(|check| check.ok)
    }

    #[test]
    fn both_ends_agree_or_the_check_of_the_difference_says_so() {
        assert_eq!(holds(|_| {}), [true; 3]);
        let [first, ..] = world().checks();
        assert_eq!(
            first.detail,
            "4 notices with 4 bodies, 1 sent again, 0 strange"
        );
        let another_body = |all: &mut Postbacks| all.ear.heard[4].body.push('x');
        assert_eq!(holds(another_body), [false, true, true]);
        let strange = |all: &mut Postbacks| all.ear.strange.push(String::new());
        assert_eq!(holds(strange), [false, true, true]);
        let waiting = |all: &mut Postbacks| all.notices[1].state = "waiting".into();
        assert_eq!(holds(waiting), [true, false, true]);
        let earlier_last = |all: &mut Postbacks| all.ear.heard.swap(0, 4);
        assert_eq!(holds(earlier_last), [true, false, false]);
        let not_told = |all: &mut Postbacks| {
            all.payables.push(HeldPayable {
                conversion_id: "c3".into(),
                ..all.payables[0].clone()
            });
        };
        assert_eq!(holds(not_told), [true, true, false]);
        let not_paid = |all: &mut Postbacks| all.payables.clear();
        assert_eq!(holds(not_paid), [true, true, false]);
        let nobodys = |all: &mut Postbacks| all.ear.heard.push(heard("n9", "c9", "approved", 1));
        assert_eq!(holds(nobodys), [true, false, false]);
    }
}
