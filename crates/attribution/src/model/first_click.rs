//! `first_click`: all credit to the first touch inside the window, t(1) = 1.

use crate::{Conversion, Looks, Touch, model::Model};

/// All credit to the first click; to the first view if there is no click.
#[derive(Debug, Clone, Copy)]
pub struct FirstClick;

impl Model for FirstClick {
    fn name(&self) -> &'static str {
        "first_click"
    }

    fn looks(&self) -> Looks {
        Looks::AtViewsLast
    }

    fn weights(&self, touches: &[&Touch], _conversion: &Conversion) -> Vec<u64> {
        let mut weights = vec![0; touches.len()];
        if let Some(first) = weights.first_mut() {
            *first = 1;
        }
        weights
    }
}
