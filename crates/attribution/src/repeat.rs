//! Goals that count once: of what one click led to, or without a click one visitor, the first that
//! counts. The others are kept and are worth nothing, until the first is taken back.

use std::collections::BTreeMap;

use domain::{ClickId, ConversionId, Timestamp, VisitorId};

use crate::{Conversion, ConversionKey};

/// What a goal counts once for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Click(ClickId),
    Visitor(VisitorId),
}

/// Which of two comes first. What anybody may have said takes nothing from what was said otherwise.
type Rank = (bool, Timestamp, ConversionId);

/// What a conversion stands for, and where it stands; none if its goal counts every one, or if it was
/// taken back.
fn turn(conversion: &Conversion) -> Option<((&str, &str, Who), Rank)> {
    let keyed = !matches!(conversion.key, ConversionKey::Unkeyed(_));
    if !(conversion.once && conversion.status.counts() && keyed) {
        return None;
    }
    let click = conversion.click.map(Who::Click);
    let who = click.or(conversion.visitor.map(Who::Visitor))?;
    let rank = (conversion.unverified, conversion.at, conversion.id);
    Some(((&conversion.campaign, &conversion.goal, who), rank))
}

/// Marks the conversions before which another one counts, be it one of `others`.
pub(crate) fn mark(conversions: &mut [Conversion], others: &[Conversion]) {
    let mut first: BTreeMap<_, Rank> = BTreeMap::new();
    for conversion in conversions.iter().chain(others) {
        if let Some((turn, rank)) = turn(conversion) {
            let known = first.entry(turn).or_insert(rank);
            *known = rank.min(*known);
        }
    }
    let repeats: Vec<bool> = conversions
        .iter()
        .map(|conversion| {
            turn(conversion).is_some_and(|(turn, (.., id))| {
                let first = first.get(&turn);
                first.is_some_and(|(.., first)| *first != id)
            })
        })
        .collect();
    for (conversion, repeat) in conversions.iter_mut().zip(repeats) {
        conversion.repeat = repeat;
    }
}
