//! What tests share: a clock and randomness under their control, and the suite that every backend of
//! the stores passes.
#![forbid(unsafe_code)]

mod clock;
pub mod conformance;
mod entropy;
pub mod records;

pub use clock::FakeClock;
pub use entropy::SeededEntropy;
