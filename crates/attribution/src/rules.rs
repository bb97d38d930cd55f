//! What a campaign's catalog says about windows and payouts, and who is paid what for a conversion.
//!
//! One conversion has one payee. For a lead it is the publisher that posted it, or the one whose
//! touch led to it; for any other conversion the one whose touch led to it, by the last click.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{Micros, Ppm, Timestamp};

use crate::{Conversion, ConversionKey, Journey, RULE, Touch, Windows};

/// All that enters credits and payouts besides the events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Rises with every change of what follows; of it 16 bits enter the version of credits.
    pub number: u32,
    /// How far conversions look back, by campaign; the usual windows for others.
    pub windows: BTreeMap<String, Windows>,
    /// By campaign and goal; the campaign's windows and no payout for others.
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

/// Whose a conversion is, whether or not anything is paid for it by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payee<'a> {
    /// The publisher.
    pub publisher: &'a str,
    /// What it gets if the conversion counts.
    pub payout: Micros,
    /// The touch that it is paid for; none for who posted a lead.
    pub touch: Option<&'a Touch>,
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
    /// Which rules these are, of those of the service and of the catalog together: newer ones are higher.
    pub fn version(&self) -> u32 {
        let number = u16::try_from(self.number).unwrap_or(u16::MAX);
        (u32::from(RULE) << 16) | u32::from(number)
    }

    fn goal(&self, conversion: &Conversion) -> Option<&GoalRules> {
        let key = (conversion.campaign.clone(), conversion.goal.clone());
        self.goals.get(&key)
    }

    /// How far a conversion looks back: as far as the one that it follows from, if it does.
    pub fn windows(&self, conversion: &Conversion) -> Windows {
        let parent = conversion.parent.as_ref();
        let goal = parent.map_or(&conversion.goal, |parent| &parent.goal);
        let key = (conversion.campaign.clone(), goal.clone());
        let goal = self.goals.get(&key).map(|goal| goal.windows);
        let campaign = || self.windows.get(&conversion.campaign).copied();
        goal.or_else(campaign).unwrap_or_default()
    }

    /// Whose a conversion of a journey is; none if nobody's, or if it has
    /// no key of its own or repeats another.
    pub fn payee<'a>(&self, journey: &'a Journey, conversion: &'a Conversion) -> Option<Payee<'a>> {
        if conversion.repeat || matches!(conversion.key, ConversionKey::Unkeyed(_)) {
            return None;
        }
        if conversion.parent.is_some() {
            let inherited = self.payee(journey, journey.stands(conversion)?)?;
            return Some(Payee {
                payout: self.payout(conversion, inherited.touch),
                ..inherited
            });
        }
        let poster = conversion.payee.as_deref().filter(|poster| {
            let posted = (conversion.campaign.clone(), (*poster).to_owned());
            !self.click_owners.contains(&posted)
        });
        if let Some(publisher) = poster {
            return Some(Payee {
                publisher,
                payout: conversion.payout,
                touch: None,
            });
        }
        let touch = journey.paying_touch(conversion, &self.windows(conversion))?;
        // A lead pays what was agreed for it, whoever gets it.
        let payout = if conversion.payee.is_some() {
            conversion.payout
        } else {
            self.payout(conversion, Some(touch))
        };
        Some(Payee {
            publisher: &touch.publisher,
            payout,
            touch: Some(touch),
        })
    }

    /// What its link pays for the goal, else what the goal does.
    fn payout(&self, conversion: &Conversion, touch: Option<&Touch>) -> Micros {
        let link = touch.map(|touch| (touch.link.clone(), conversion.goal.clone()));
        let pay = link.and_then(|link| self.links.get(&link).copied());
        let pay = pay.or_else(|| self.goal(conversion).and_then(|goal| goal.pay));
        pay.map_or(conversion.payout, |pay| pay.of(conversion.amount))
    }

    /// Who is paid for a conversion of a journey; none if nobody is.
    pub fn payable(&self, journey: &Journey, conversion: &Conversion) -> Option<Payable> {
        if !conversion.payable() {
            return None;
        }
        let payee = self.payee(journey, conversion)?;
        let hold = self
            .goal(conversion)
            .map_or(Duration::ZERO, |goal| goal.hold);
        Some(Payable {
            payee: payee.publisher.to_owned(),
            payout: payee.payout,
            due: conversion.at.plus(hold),
        })
    }
}
