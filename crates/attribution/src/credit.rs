//! Credit: a conversion's whole, split over touches so that the parts sum to it exactly.

use domain::{Micros, split};

use crate::{Conversion, Touch, model::Model};

/// A whole conversion in units of a share: 1e-9.
pub const WHOLE: i64 = 1_000_000_000;

/// What one touch gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreditPart<'a> {
    /// The touch.
    pub touch: &'a Touch,
    /// Its share, in 1e-9.
    pub share: u64,
    /// Its part of the conversion's value.
    pub value: Micros,
}

/// A conversion's credit under one model. No parts: nobody is credited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit<'a> {
    /// The model's name.
    pub model: &'static str,
    /// In journey order; a touch without a share has no part.
    pub parts: Vec<CreditPart<'a>>,
}

impl<'a> Credit<'a> {
    /// Splits `conversion` over the touches that the model weighs, given in journey order.
    pub(crate) fn of(model: &dyn Model, conversion: &Conversion, touches: &[&'a Touch]) -> Self {
        let weights = if conversion.counts() {
            model.weights(touches, conversion)
        } else {
            Vec::new()
        };
        let shares = split(WHOLE, &weights);
        let values = split(conversion.amount.get(), &weights);
        let parts = touches
            .iter()
            .zip(shares)
            .zip(values)
            .filter(|((_, share), _)| *share > 0)
            .map(|((touch, share), value)| CreditPart {
                touch,
                share: share.unsigned_abs(),
                value: Micros::new(value),
            })
            .collect();
        Self {
            model: model.name(),
            parts,
        }
    }
}
