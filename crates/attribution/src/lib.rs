//! Who gets credit for a conversion: journeys, windows, one file per model, exact splitting.
//!
//! Everything is decided over the whole set of a journey's events, so neither the order in which
//! they arrived nor how often each came can change a result. Nothing here does I/O or reads a clock.
//!
//! ```text
//! touches, conversion events -> Journey -> Conversion (one per key) -> Credit (per model)
//! ```
#![forbid(unsafe_code)]

mod conversion;
mod credit;
mod derive;
mod journey;
mod key;
pub mod model;
mod repeat;
mod rules;
mod touch;
mod version;
mod windows;

pub use conversion::{Conversion, ConversionEvent, Parent, Version};
pub use credit::{Credit, CreditPart, WHOLE};
pub use derive::derive;
pub use journey::Journey;
pub use key::{ConversionKey, Following};
pub use rules::{GoalRules, Pay, Payable, Payee, Rules};
pub use touch::{Touch, TouchKind};
pub use version::{CreditVersion, RULE};
pub use windows::{Looks, Missed, Views, Windows};
