//! What a campaign's catalog says about windows and payouts, and who is paid what for a conversion.
//!
//! One conversion has one payee. For a lead it is the publisher that posted it, or the one whose
//! touch led to it; for any other conversion the one whose touch led to it, by the last click.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{Micros, Ppm, Timestamp};

use crate::{Conversion, Journey, Windows};

/// All that enters credits and payouts besides the events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Rises with every change of what follows; of it 16 bits enter the version of credits.
    pub number: u32,
    /// By campaign and goal; the usual windows and no payout for others.
    pub goals: BTreeMap<(String, String), GoalRules>,
    /// What a link pays for a goal, instead of what the goal does: by link and goal.
    pub links: BTreeMap<(String, String), Pay>,
    /// Campaign and publisher whose leads are paid to whose touch led to them.
    pub click_owners: BTreeSet<(String, String)>,
}

/// The rules of a goal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GoalRules {
    /// How far its conversions look back.
    pub windows: Windows,
    /// What it pays; none: as the conversion says.
    pub pay: Option<Pay>,
    /// How long after a held conversion it is due.
    pub hold: Duration,
}

/// What is paid for a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pay {
    /// This much, whatever the conversion is worth.
    Fixed(Micros),
    /// This share of what it is worth, rounded down to the micro.
    Share(Ppm),
}

impl Pay {
    fn of(self, amount: Micros) -> Micros {
        match self {
            Self::Fixed(payout) => payout,
            Self::Share(share) => amount.share_floor(share),
        }
    }
}

/// Who is paid what for a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payable {
    /// The publisher.
    pub payee: String,
    /// What it gets.
    pub payout: Micros,
    /// When it is due, once the conversion is approved or its hold has ended.
    pub due: Timestamp,
}

impl Rules {
    fn goal(&self, conversion: &Conversion) -> Option<&GoalRules> {
        let key = (conversion.campaign.clone(), conversion.goal.clone());
        self.goals.get(&key)
    }

    /// How far a conversion looks back.
    pub fn windows(&self, conversion: &Conversion) -> Windows {
        self.goal(conversion)
            .map_or_else(Windows::default, |goal| goal.windows)
    }

    /// Who is paid for a conversion of a journey; none if nobody is.
    pub fn payable(&self, journey: &Journey, conversion: &Conversion) -> Option<Payable> {
        if !conversion.payable() {
            return None;
        }
        let goal = self.goal(conversion);
        let touch = journey.paying_touch(conversion, &self.windows(conversion));
        let poster = conversion.payee.as_ref().filter(|poster| {
            let posted = (conversion.campaign.clone(), (*poster).clone());
            !self.click_owners.contains(&posted)
        });
        let (payee, payout) = match (poster, touch) {
            (Some(poster), _) => (poster.clone(), conversion.payout),
            (None, None) => return None,
            // A lead pays what was agreed for it, whoever gets it.
            (None, Some(touch)) if conversion.payee.is_some() => {
                (touch.publisher.clone(), conversion.payout)
            }
            (None, Some(touch)) => {
                let link = (touch.link.clone(), conversion.goal.clone());
                let pay = self.links.get(&link).copied();
                let pay = pay.or_else(|| goal.and_then(|goal| goal.pay));
                let payout = pay.map_or(conversion.payout, |pay| pay.of(conversion.amount));
                (touch.publisher.clone(), payout)
            }
        };
        let hold = goal.map_or(Duration::ZERO, |goal| goal.hold);
        Some(Payable {
            payee,
            payout,
            due: conversion.at.plus(hold),
        })
    }
}
