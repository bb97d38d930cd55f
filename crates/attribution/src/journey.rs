//! A journey: everything one identity did, as a set.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::Timestamp;

use crate::model;
use crate::{Conversion, ConversionEvent, ConversionKey, Credit, Touch};

/// How far a conversion looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// The oldest click that counts, inclusive.
    pub click_through: Duration,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            click_through: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}

/// Touches and conversions of one identity in (event time, id) order, each event once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey {
    touches: Vec<Touch>,
    conversions: Vec<Conversion>,
}

impl Journey {
    /// From events in any order and number; of two versions of one id the smaller counts.
    pub fn new(
        touches: impl IntoIterator<Item = Touch>,
        conversions: impl IntoIterator<Item = ConversionEvent>,
    ) -> Self {
        Self {
            touches: distinct(touches, |touch| touch.id),
            conversions: fold(&distinct(conversions, |event| event.id)),
        }
    }

    /// The conversions, by key.
    pub fn conversions(&self) -> &[Conversion] {
        &self.conversions
    }

    /// The touches that something at `at` looks back on.
    pub fn touches_before(&self, at: Timestamp, windows: Windows) -> &[Touch] {
        let oldest = at.minus(windows.click_through);
        let from = self.touches.partition_point(|touch| touch.at < oldest);
        let to = self.touches.partition_point(|touch| touch.at <= at);
        self.touches.get(from..to).unwrap_or_default()
    }

    /// A conversion's credit under every model. One with an unexpanded macro gets none.
    pub fn credits(&self, conversion: &Conversion, windows: Windows) -> Vec<Credit<'_>> {
        let touches = self.touches_of(conversion, windows);
        model::ALL
            .iter()
            .map(|model| Credit::of(*model, conversion, touches))
            .collect()
    }

    /// Who is paid: whom the conversion names, else whoever sent the last click.
    pub fn payee(&self, conversion: &Conversion, windows: Windows) -> Option<String> {
        if !conversion.payable() {
            return None;
        }
        conversion.payee.clone().or_else(|| {
            self.touches_of(conversion, windows)
                .last()
                .map(|touch| touch.publisher.clone())
        })
    }

    /// The touches that can be credited for a conversion: none if a macro was left unexpanded.
    pub fn touches_of(&self, conversion: &Conversion, windows: Windows) -> &[Touch] {
        if conversion.invalid_macro {
            return &[];
        }
        self.touches_before(conversion.at, windows)
    }
}

/// Each id once, in order.
fn distinct<T: Ord, I: Ord>(items: impl IntoIterator<Item = T>, id: impl Fn(&T) -> I) -> Vec<T> {
    let sorted: BTreeSet<T> = items.into_iter().collect();
    let mut seen = BTreeSet::new();
    sorted
        .into_iter()
        .filter(|item| seen.insert(id(item)))
        .collect()
}

/// Folds events in order into conversions, one per key.
fn fold(events: &[ConversionEvent]) -> Vec<Conversion> {
    // The first click that reported an order takes over what came for it without a click.
    let mut clicked: BTreeMap<(&str, &str, &str), ConversionKey> = BTreeMap::new();
    for event in events {
        let key = ConversionKey::of(event);
        if let (ConversionKey::ClickOrder { .. }, Some(txid)) = (&key, &event.txid) {
            clicked
                .entry((&event.campaign, &event.goal, txid))
                .or_insert(key);
        }
    }
    let mut conversions: BTreeMap<ConversionKey, Conversion> = BTreeMap::new();
    for event in events {
        let mut key = ConversionKey::of(event);
        if let ConversionKey::Order {
            campaign,
            goal,
            txid,
        } = &key
            && let Some(taken) = clicked.get(&(campaign.as_str(), goal.as_str(), txid.as_str()))
        {
            key = taken.clone();
        }
        match conversions.get_mut(&key) {
            Some(conversion) => conversion.restate(event),
            None => {
                conversions.insert(key.clone(), Conversion::begin(key, event));
            }
        }
    }
    conversions.into_values().collect()
}
