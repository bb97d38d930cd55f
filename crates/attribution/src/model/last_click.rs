//! `last_click`: all credit to the last touch before the conversion, t(n) = 1.

use crate::{Conversion, Looks, Touch, model::Model};

/// All credit to the last click; to the last view if there is no click.
#[derive(Debug, Clone, Copy)]
pub struct LastClick;

impl Model for LastClick {
    fn name(&self) -> &'static str {
        "last_click"
    }

    fn looks(&self) -> Looks {
        Looks::AtViewsLast
    }

    fn weights(&self, touches: &[&Touch], _conversion: &Conversion) -> Vec<u64> {
        let mut weights = vec![0; touches.len()];
        if let Some(last) = weights.last_mut() {
            *last = 1;
        }
        weights
    }
}
