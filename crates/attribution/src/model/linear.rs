//! `linear`: the same to each touch, t(i) = 1/n; who is met twice gets 2/n.

use crate::{Conversion, Looks, Touch, model::Model};

/// The same credit to each touch; to views only if asked.
#[derive(Debug, Clone, Copy)]
pub struct Linear;

impl Model for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn looks(&self) -> Looks {
        Looks::AsAsked
    }

    fn weights(&self, touches: &[&Touch], _conversion: &Conversion) -> Vec<u64> {
        vec![1; touches.len()]
    }
}
