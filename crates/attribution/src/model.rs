//! The credit models. A model only weighs touches; splitting is [`crate::Credit`]'s.
//!
//! How to add one:
//! 1. Make `model/<name>.rs` with a unit struct and its formula in the `//!` line.
//! 2. Implement [`Model`] for it: which touches it looks at, and one weight per touch, any scale, not all zero unless there is no touch.
//! 3. Name the file here and put the struct into [`ALL`].
//! 4. Raise [`crate::RULE`], so that rebuilt credits replace the ones before.
//! 5. Run `cargo test -p attribution`: the laws walk [`ALL`].

mod first_click;
mod last_click;
mod linear;

use crate::{Conversion, Looks, Touch};

pub use first_click::FirstClick;
pub use last_click::LastClick;
pub use linear::Linear;

/// A credit model.
pub trait Model: Sync {
    /// The name in tables and options.
    fn name(&self) -> &'static str;

    /// Which touches it weighs.
    fn looks(&self) -> Looks;

    /// The weight of each touch, in the order given (event time, id); all lie inside the windows.
    fn weights(&self, touches: &[&Touch], conversion: &Conversion) -> Vec<u64>;
}

/// Every model, in the order of its results. The first is the one that pays.
pub static ALL: [&'static dyn Model; 3] = [&LastClick, &FirstClick, &Linear];
