//! A journey: everything one identity did, as a set.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Conversion, ConversionEvent, ConversionKey, Credit, Looks, Missed, Touch, Windows};
use crate::{model, repeat};

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
        Self::beside(touches, conversions, [])
    }

    /// One whose conversions have others beside them, of the same visitor and with journeys of their
    /// own: reports of those too in any order and number.
    pub fn beside(
        touches: impl IntoIterator<Item = Touch>,
        conversions: impl IntoIterator<Item = ConversionEvent>,
        others: impl IntoIterator<Item = ConversionEvent>,
    ) -> Self {
        let mut conversions = fold(&distinct(conversions, |event| event.id));
        repeat::mark(&mut conversions, &fold(&distinct(others, |event| event.id)));
        Self {
            touches: distinct(touches, |touch| touch.id),
            conversions,
        }
    }

    /// The conversions, by key.
    pub fn conversions(&self) -> &[Conversion] {
        &self.conversions
    }

    /// Where a conversion stands in the journey: itself, or the one that it follows from; none as long
    /// as that one is not there.
    pub fn stands<'a>(&'a self, conversion: &'a Conversion) -> Option<&'a Conversion> {
        let Some(parent) = &conversion.parent else {
            return Some(conversion);
        };
        self.conversions.iter().find(|other| {
            other.parent.is_none()
                && !other.invalid_macro
                && other.click == conversion.click
                && other.campaign == conversion.campaign
                && other.goal == parent.goal
                && other.txid.as_ref() == Some(&parent.txid)
        })
    }

    /// A conversion's credit under every model. One with an unexpanded macro gets none.
    pub fn credits(&self, conversion: &Conversion, windows: &Windows) -> Vec<Credit<'_>> {
        let eligible = self.touches_of(conversion, windows);
        model::ALL
            .iter()
            .map(|model| {
                let touches = windows.weighed(&eligible, model.looks());
                Credit::of(*model, conversion, &touches)
            })
            .collect()
    }

    /// The touch that is paid for a conversion: the last click, else the last view.
    pub fn paying_touch(&self, conversion: &Conversion, windows: &Windows) -> Option<&Touch> {
        let eligible = self.touches_of(conversion, windows);
        windows.weighed(&eligible, Looks::AtViewsLast).pop()
    }

    /// Why the touch that a conversion comes from may not be credited; none if it may, or if there is
    /// none: it is the click that the conversion names, else the last touch before it.
    pub fn missed(&self, conversion: &Conversion, windows: &Windows) -> Option<Missed> {
        let conversion = self.stands(conversion)?;
        let touches = self.touches.iter().rev();
        let mut before = touches.filter(|touch| touch.at <= conversion.at);
        let touch = match conversion.click {
            Some(click) => before.find(|touch| touch.click == Some(click)),
            None => before.next(),
        };
        windows.missed(touch?, conversion.at)
    }

    /// The touches that a conversion may credit: none if a macro was left unexpanded. One that follows from
    /// another may credit what that one may.
    pub fn touches_of(&self, conversion: &Conversion, windows: &Windows) -> Vec<&Touch> {
        match self.stands(conversion) {
            Some(stands) if !conversion.invalid_macro => windows.eligible(&self.touches, stands.at),
            _ => Vec::new(),
        }
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
